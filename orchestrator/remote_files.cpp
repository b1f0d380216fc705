// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/remote_files.hpp"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <sstream>
#include <unistd.h>

namespace dbuild::orchestrator {
namespace {

/// The URL without its query and fragment, from the first slash behind the host on.
std::string_view path_of(std::string_view url) {
    url = url.substr(0, url.find_first_of("?#"));
    const auto host = url.find("://");
    const auto slash = url.find('/', host == url.npos ? 0 : host + 3);
    return slash == url.npos ? std::string_view() : url.substr(slash);
}

/// Of an HTTP date; 0 for anything else.
std::int64_t seconds_of(const std::string& date) {
    std::tm time{};
    const char* end =
        ::strptime(date.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &time); // in the C locale, which dbuild never leaves
    return end && !*end ? static_cast<std::int64_t>(::timegm(&time)) : 0;
}

std::string header(const HttpResponse& response, const std::string& name) {
    const auto found = response.headers.find(name);
    return found == response.headers.end() ? std::string() : found->second;
}

Result<Fd> nameless_file() {
    DBUILD_TRY_ASSIGN(const auto folder, TempDir::create("dbuild-remote"));
    Fd fd(::open((folder.path() / "file").c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd.is_open())
        return fail(ErrorKind::unavailable, std::string("cannot make a temporary file: ") + std::strerror(errno));
    return fd;
}

} // namespace

/// What an earlier build learned of a URL.
struct RemoteFiles::Known {
    std::string etag, last_modified;
    Digest content;
    std::uint64_t size = 0;

    static std::optional<Known> read(const std::filesystem::path& path) {
        const auto text = read_file(path);
        if (!text) return std::nullopt;
        Known known;
        std::string digest, size;
        std::istringstream lines(*text);
        std::getline(lines, digest);
        std::getline(lines, size);
        std::getline(lines, known.etag);
        std::getline(lines, known.last_modified);
        auto parsed = Digest::parse(digest);
        if (!parsed || std::from_chars(size.data(), size.data() + size.size(), known.size).ec != std::errc())
            return std::nullopt;
        known.content = *parsed;
        return known;
    }
    std::string text() const {
        return content.to_string() + "\n" + std::to_string(size) + "\n" + etag + "\n" + last_modified + "\n";
    }
};

std::string percent_decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned value = 0;
        const auto* digits = text.data() + i + 1;
        if (text[i] == '%' && i + 2 < text.size() && std::from_chars(digits, digits + 2, value, 16).ptr == digits + 2) {
            out += static_cast<char>(value);
            i += 2;
        } else {
            out += text[i];
        }
    }
    return out;
}

bool is_http_source(std::string_view source) {
    if (!source.starts_with("http://") && !source.starts_with("https://")) return false;
    return !path_of(source).ends_with(".git");
}

std::string http_file_name(std::string_view url) {
    auto path = percent_decoded(path_of(url));
    while (path.ends_with('/')) path.pop_back();
    const auto name = path.substr(path.rfind('/') + 1);
    return name.empty() || name == "." || name == ".." ? "__unnamed__" : name;
}

Result<HttpResponse> RemoteFiles::ask(const std::string& url, const std::vector<std::string>& headers,
                                      RemoteFile& file) {
    DBUILD_TRY_ASSIGN(auto fd, nameless_file());
    Sha256 hasher;
    std::uint64_t size = 0;
    HttpRequest request;
    request.url = url;
    request.headers = headers;
    request.follows_redirects = true;
    auto response = http_.send(request, [&](std::string_view bytes) -> Status {
        hasher.update(bytes);
        size += bytes.size();
        return write_all(fd.get(), bytes, "temporary file");
    });
    if (!response) {
        const auto kind = response.error().kind;
        if (kind == ErrorKind::unavailable || kind == ErrorKind::transient)
            response.error().kind = ErrorKind::unsupported;
        response.error().message = "ADD " + url + ": " + response.error().message;
        return response;
    }
    if (response->status / 100 == 2) {
        file.content = hasher.finish();
        file.size = size;
        file.mtime_seconds = seconds_of(header(*response, "last-modified"));
        file.bytes = std::make_shared<const Fd>(std::move(fd));
    }
    return response;
}

/// With what is known, a server that has nothing new sends nothing.
Status RemoteFiles::refresh(const std::string& url, const Known& known, RemoteFile& file) {
    std::vector<std::string> headers;
    if (!known.etag.empty()) headers.push_back("If-None-Match: " + known.etag);
    DBUILD_TRY_ASSIGN(const auto response, ask(url, headers, file));
    if (response.status == 304 && !known.etag.empty()) {
        file.content = known.content;
        file.size = known.size;
        file.mtime_seconds = seconds_of(known.last_modified);
        return {};
    }
    if (response.status / 100 != 2)
        return fail(ErrorKind::not_found, url + ": invalid response status " + std::to_string(response.status));
    Known now{header(response, "etag"), header(response, "last-modified"), file.content, file.size};
    auto written = make_directories(folder_);
    if (written) {
        auto record = AtomicFile::create(folder_ / sha256(url).hex());
        if (record && record->write(now.text())) written = record->commit();
    }
    return {}; // what could not be written down is asked for again
}

Result<Digest> RemoteFiles::content_of(const std::string& url, const std::optional<Digest>& checksum) {
    if (checksum) return *checksum; // checked when its bytes are needed
    const auto [file, is_new] = files_.try_emplace(url);
    if (!is_new) return file->second.content;
    Status done = refresh(url, Known::read(folder_ / sha256(url).hex()).value_or(Known{}), file->second);
    if (done) return file->second.content;
    files_.erase(file);
    return fail(std::move(done).error());
}

Result<RemoteFile> RemoteFiles::fetch(const std::string& url, const std::optional<Digest>& checksum) {
    DBUILD_TRY_ASSIGN(const auto expected, content_of(url, checksum));
    auto& file = files_[url];
    if (!file.bytes) DBUILD_TRY(refresh(url, Known{}, file));
    if (checksum && file.content != *checksum)
        return fail(ErrorKind::step_failed, "digest mismatch for " + url + ": " + file.content.to_string() +
                                                " (expected: " + checksum->to_string() + ")");
    if (file.content != expected) return fail(ErrorKind::transient, url + " changed");
    return file;
}

} // namespace dbuild::orchestrator
