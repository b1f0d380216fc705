// SPDX-License-Identifier: Apache-2.0
// Files that ADD fetches by http(s): asked for again at every build, sent again only when they changed. What is kept
// between builds is a few words per URL (digest, ETag, time), in <cache dir>/remote/; losing them costs a download.
// Source: BuildKit's http source, ../reference/buildkit-semantics.md §5.1, §5.4.
#pragma once

#include "executors/in_process/copy.hpp"
#include "support/http.hpp"

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace dbuild::orchestrator {

/// A part of a URL as it is meant: "%20" is a blank.
std::string percent_decoded(std::string_view text);

/// An http(s) URL that is no git repository.
bool is_http_source(std::string_view source);

/// The name that a URL's file gets: the last part of its path, "__unnamed__" if there is none.
std::string http_file_name(std::string_view url);

struct RemoteFile {
    Digest content;
    std::uint64_t size = 0;
    std::int64_t mtime_seconds = 0;  // of the server's Last-Modified; 0 without it
    std::shared_ptr<const Fd> bytes; // null: not fetched by this build; shared by all that read it
};

/// One for a build. Threads: one caller at a time.
class RemoteFiles {
public:
    explicit RemoteFiles(std::filesystem::path folder) : folder_(std::move(folder)) {}

    /// What the URL holds now; asked for once in a build. In: checksum — if it is given nothing needs to be asked.
    /// Errors:  not_found — the server answers with another status; unsupported — it cannot be reached from here, so
    /// that
    ///          docker buildx may try; step_failed — the checksum is another one.
    Result<Digest> content_of(const std::string& url, const std::optional<Digest>& checksum);

    /// The same with its bytes. Errors: as content_of; transient — it changed since; unavailable — the disk.
    Result<RemoteFile> fetch(const std::string& url, const std::optional<Digest>& checksum);

private:
    struct Known;
    Result<HttpResponse> ask(const std::string& url, const std::vector<std::string>& headers, RemoteFile& file);
    Status refresh(const std::string& url, const Known& known, RemoteFile& file);

    std::filesystem::path folder_;
    HttpClient http_;
    std::map<std::string, RemoteFile> files_; // by URL
};

} // namespace dbuild::orchestrator
