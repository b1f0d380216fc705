// SPDX-License-Identifier: Apache-2.0
// The engine over its socket: the few requests that dbuild needs, without the docker program. Every request is counted.
// One request at a time, from any thread; prefetches go beside it, over connections of their own.
// Source: Docker Engine API 1.44; unversioned paths, which every engine answers with its own version.
#pragma once

#include "cache/oci/image.hpp"
#include "orchestrator/engine_address.hpp"
#include "support/http.hpp"
#include "support/program_socket.hpp"
#include "support/result.hpp"

#include <chrono>
#include <filesystem>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace dbuild::orchestrator {

struct EngineImage {
    std::string id; // "sha256:…": of the manifest or index (containerd store) or of the configuration (classic store)
    std::vector<std::string> tags;  // familiar form: "app:latest"
    cache::oci::ImageConfig config; // without history
};

/// Where the engine keeps images, which decides what their IDs are and whether it knows OCI layouts.
enum class ImageStore { unknown, containerd, classic };

/// What the engine keeps beside dbuild's cache, in bytes.
struct EngineUsage {
    std::uint64_t image_bytes = 0;       // of all images' layers, each once
    std::uint64_t build_cache_bytes = 0; // BuildKit's records, without what images have too
};

class EngineClient {
public:
    /// Connects with the first request.
    explicit EngineClient(EngineAddress address) : address_(std::move(address)) {}

    /// In: name — a reference or an ID. Holds nothing if the engine has no such image.
    /// Errors of this and all below: unavailable — no engine answers; transient — broken off; internal — it refuses.
    Result<std::optional<EngineImage>> find_image(const std::string& name);
    /// Begins to ask, beside everything else; the next find_image() of this name takes the answer if that is soon.
    void prefetch_image(const std::string& name);
    /// IDs of those references (familiar form, with tag) that the engine has, by one request.
    Result<std::map<std::string, std::string>> find_image_ids(const std::vector<std::string>& references);
    /// Whether the engine holds all content of an image, and not only enough to run it: what lacks a layer's blob can
    /// be neither saved nor pushed, and Docker 26 does not even list it. In: reference — one of its tags, or "" if
    /// none.
    Result<bool> is_whole(const std::string& id, const std::string& reference);
    Status pull(const std::string& reference);
    /// The image as an OCI layout archive, into a file or piece by piece.
    Status save(const std::string& id, const std::filesystem::path& archive);
    Status save(const std::string& id, const std::function<Status(std::string_view)>& sink);
    /// In: archive — yields the bytes of an image archive, 0 at the end.
    /// Errors: besides, not_found — the archive leaves out a layer that the engine lacks.
    Status load(std::function<std::size_t(char* buffer, std::size_t capacity)> archive);
    Status tag(const std::string& id, const std::string& reference);

    /// Removes a name, and the image if that was its last one.
    Status remove(const std::string& name);

    /// May take the engine seconds: it adds up what its layers take.
    Result<EngineUsage> usage();

    /// As docker writes its address.
    const std::string& host() const { return address_.host; }
    /// As far as an image that was found has shown.
    ImageStore image_store() const { return image_store_; }
    int requests() const { return requests_; }

private:
    Result<HttpResponse> send(HttpRequest request, const std::function<Status(std::string_view)>& sink = nullptr);

    Status connect();
    HttpRequest addressed(HttpRequest request) const;
    Result<HttpResponse> inspect(const std::string& name);

    EngineAddress address_;
    std::optional<ProgramSocket> program_; // made by the first request, where the engine is behind a program
    HttpClient http_;
    std::unique_ptr<std::mutex> mutex_ = std::make_unique<std::mutex>(); // one request at a time, from whatever thread
    bool was_answered_ = false;
    int requests_ = 0;
    struct Prefetched {
        std::future<Result<HttpResponse>> response;
        std::chrono::steady_clock::time_point asked;
    };
    std::map<std::string, Prefetched> prefetched_;
    ImageStore image_store_ = ImageStore::unknown;
};

} // namespace dbuild::orchestrator
