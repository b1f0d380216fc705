// SPDX-License-Identifier: Apache-2.0
#include "cache/oci/image_copy.hpp"

#include "support/parallel.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <set>

namespace json = boost::json;

namespace dbuild::cache::oci {
namespace {

constexpr int k_max_index_depth = 4; // an index of indexes is legal; a ring of them is impossible, a long chain hostile

class Copier {
public:
    Copier(ImageSource& from, ImageTarget& to) : from_(from), to_(to) {}

    Result<CopyReport> copy() {
        DBUILD_TRY_ASSIGN(const auto root, from_.read_manifest(std::nullopt));
        report_.digest = root.descriptor.digest;
        DBUILD_TRY_ASSIGN(const auto presence, to_.find_image(root.descriptor));
        switch (presence) {
        case ImageTarget::Presence::absent: DBUILD_TRY(copy_manifest(root, ImageTarget::Role::root, 0)); break;
        case ImageTarget::Presence::unnamed: DBUILD_TRY(to_.put_manifest(root, ImageTarget::Role::root)); break;
        case ImageTarget::Presence::complete: report_.was_complete = true;
        }
        return report_;
    }

private:
    Status copy_manifest(const FetchedManifest& manifest, ImageTarget::Role role, int depth) {
        if (is_index_type(manifest.descriptor.media_type)) {
            if (depth == k_max_index_depth) return fail(ErrorKind::corrupt, "image index: nested too deeply");
            DBUILD_TRY_ASSIGN(const auto entries, parse_index(manifest.bytes));
            for (const auto& entry : entries) {
                DBUILD_TRY_ASSIGN(const auto inner, from_.read_manifest(entry.descriptor.digest));
                DBUILD_TRY(copy_manifest(inner, ImageTarget::Role::below_index, depth + 1));
            }
        } else {
            DBUILD_TRY_ASSIGN(const auto image, Manifest::parse(manifest.bytes));
            DBUILD_TRY(copy_blobs(image));
        }
        return to_.put_manifest(manifest, role);
    }

    /// Each blob once; a few at a time, lowest layers first.
    Status copy_blobs(const Manifest& image) {
        std::vector<Descriptor> blobs;
        for (const auto& blob : image.layers)
            if (done_.insert(blob.digest).second) blobs.push_back(blob);
        if (done_.insert(image.config.digest).second) blobs.push_back(image.config);
        std::mutex mutex; // guards report_
        return for_each_parallel(blobs.size(), to_.max_parallel(), [&](std::size_t i) -> Status {
            DBUILD_TRY_ASSIGN(const auto outcome, to_.put_blob(blobs[i], from_));
            const std::scoped_lock lock(mutex);
            note(outcome, blobs[i].size);
            return {};
        });
    }

    void note(PushOutcome outcome, std::uint64_t bytes) {
        switch (outcome) {
        case PushOutcome::was_there: ++report_.blobs_there; break;
        case PushOutcome::mounted: ++report_.blobs_mounted; break;
        case PushOutcome::uploaded: ++report_.blobs_moved; report_.bytes_moved += bytes;
        }
    }

    ImageSource& from_;
    ImageTarget& to_;
    CopyReport report_;
    std::set<Digest> done_; // platforms often share blobs
};

/// The variants of arm that a machine can run, best first. Source: containerd/platforms, platformVector.
std::vector<std::string> runnable_variants(std::string_view architecture, std::string_view variant) {
    if (architecture == "arm64") return {variant.empty() ? "v8" : std::string(variant), ""};
    if (architecture != "arm") return {std::string(variant), ""};
    std::vector<std::string> variants;
    const char newest = variant.size() == 2 ? variant[1] : '7';
    for (char c = newest; c >= '5'; --c) variants.push_back(fmt::format("v{}", c));
    variants.emplace_back("");
    return variants;
}

struct Platform {
    std::string_view os, architecture, variant;
    explicit Platform(std::string_view text) {
        const auto first = text.find('/');
        os = text.substr(0, first);
        auto rest = first == text.npos ? std::string_view() : text.substr(first + 1);
        const auto second = rest.find('/');
        architecture = rest.substr(0, second);
        if (second != rest.npos) variant = rest.substr(second + 1);
    }
};

std::optional<IndexEntry> choose(const std::vector<IndexEntry>& entries, std::string_view text) {
    const Platform platform(text);
    for (const auto& variant : runnable_variants(platform.architecture, platform.variant))
        for (const auto& entry : entries)
            if (entry.os == platform.os && entry.architecture == platform.architecture && entry.variant == variant)
                return entry;
    for (const auto& entry : entries) // one that does not say what it is for: its configuration does
        if (entry.os.empty()) return entry;
    return std::nullopt;
}

} // namespace

Result<CopyReport> copy_image(ImageSource& from, ImageTarget& to) { return Copier(from, to).copy(); }

bool is_index_type(std::string_view media_type) {
    return media_type == k_index_type || media_type == k_docker_index_type;
}

Result<std::string> manifest_type_of(std::string_view text) {
    boost::system::error_code error;
    const auto value = json::parse({text.data(), text.size()}, error);
    if (error || !value.is_object()) return fail(ErrorKind::corrupt, "not an image manifest");
    const auto& object = value.get_object();
    if (const auto* type = object.if_contains("mediaType"); type && type->is_string())
        return std::string(type->get_string());
    return std::string(object.contains("manifests") ? k_index_type : k_manifest_type);
}

Result<std::string> read_config(ImageSource& from, const Descriptor& blob) {
    constexpr std::size_t k_max_config_bytes = std::size_t{8} << 20;
    if (blob.size > k_max_config_bytes) return fail(ErrorKind::corrupt, "the image's configuration is too large");
    std::string config;
    DBUILD_TRY(from.read_blob(blob, [&](std::string_view bytes) -> Status {
        config += bytes;
        return {};
    }));
    return config;
}

Result<FetchedManifest> read_platform_manifest(ImageSource& from, std::string_view platform) {
    DBUILD_TRY_ASSIGN(auto manifest, from.read_manifest(std::nullopt));
    for (int depth = 0; is_index_type(manifest.descriptor.media_type); ++depth) {
        if (depth == k_max_index_depth) return fail(ErrorKind::corrupt, "image index: nested too deeply");
        DBUILD_TRY_ASSIGN(const auto entries, parse_index(manifest.bytes));
        const auto entry = choose(entries, platform);
        if (!entry) return fail(ErrorKind::not_found, fmt::format("the image is not for {}", platform));
        DBUILD_TRY_ASSIGN(manifest, from.read_manifest(entry->descriptor.digest));
    }
    return manifest;
}

} // namespace dbuild::cache::oci
