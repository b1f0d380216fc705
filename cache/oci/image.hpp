// SPDX-License-Identifier: Apache-2.0
// The OCI image types that dbuild reads and writes: descriptor, image configuration, manifest. JSON in and out, always
// in the same byte order, so that equal images have equal digests. Where blobs are kept is not known here. Source: OCI
// image specification 1.1; Docker's additions (Healthcheck, OnBuild, Shell, ArgsEscaped) as BuildKit writes them.
#pragma once

#include "support/digest.hpp"
#include "support/result.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dbuild::cache::oci {

inline constexpr std::string_view k_manifest_type = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view k_index_type = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view k_config_type = "application/vnd.oci.image.config.v1+json";
inline constexpr std::string_view k_layer_type = "application/vnd.oci.image.layer.v1.tar";
inline constexpr std::string_view k_docker_manifest_type = "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr std::string_view k_docker_index_type = "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr std::string_view k_docker_config_type = "application/vnd.docker.container.image.v1+json";
inline constexpr std::string_view k_docker_layer_type = "application/vnd.docker.image.rootfs.diff.tar";

struct Descriptor {
    std::string media_type;
    Digest digest;
    std::uint64_t size = 0; // bytes of the blob
    std::map<std::string, std::string> annotations = {};
    friend bool operator==(const Descriptor&, const Descriptor&) = default;
};

struct HistoryEntry {
    std::string created; // RFC 3339, may be empty
    std::string created_by;
    std::string comment;
    std::string author;
    bool empty_layer = false;
    friend bool operator==(const HistoryEntry&, const HistoryEntry&) = default;
};

struct Healthcheck {
    std::vector<std::string> test; // {"NONE"}, {"CMD", ...} or {"CMD-SHELL", ...}
    std::chrono::nanoseconds interval{0}, timeout{0}, start_period{0}, start_interval{0};
    int retries = 0;
    friend bool operator==(const Healthcheck&, const Healthcheck&) = default;
};

/// What an image says about running it, and where it comes from.
struct ImageConfig {
    std::string architecture;
    std::string os;
    std::string variant;
    std::string author;
    std::string created; // RFC 3339, may be empty

    std::vector<std::string> env; // "NAME=value", names unique
    std::string user;
    std::string working_dir;
    std::optional<std::vector<std::string>> entrypoint;
    std::optional<std::vector<std::string>> cmd;
    std::vector<std::string> shell; // empty: the default
    std::map<std::string, std::string> labels;
    std::vector<std::string> exposed_ports; // sorted, unique
    std::vector<std::string> volumes;       // sorted, unique
    std::vector<std::string> on_build;
    std::string stop_signal;
    std::optional<Healthcheck> healthcheck;
    bool args_escaped = false;

    std::vector<Digest> diff_ids; // lowest layer first
    std::vector<HistoryEntry> history;

    /// Errors: corrupt — not an image configuration.
    static Result<ImageConfig> parse(std::string_view json);
    /// Reads the answer of the engine's image inspection (no history in it). Errors: corrupt.
    static Result<ImageConfig> parse_inspection(std::string_view json);
    std::string to_json() const;

    std::string platform() const { return os + "/" + architecture + (variant.empty() ? "" : "/" + variant); }
};

struct Manifest {
    Descriptor config;
    std::vector<Descriptor> layers; // lowest first
    std::map<std::string, std::string> annotations = {};
    std::string media_type = std::string(k_manifest_type); // that to_json() writes

    /// Errors: corrupt — not an image manifest (an index is none).
    static Result<Manifest> parse(std::string_view json);
    std::string to_json() const;
};

struct IndexEntry {
    Descriptor descriptor;
    std::string os, architecture, variant; // empty where the index does not say
};
/// The manifests of an image index, in its order. Errors: corrupt.
Result<std::vector<IndexEntry>> parse_index(std::string_view json);

/// An index over images. In: media_type — of the index; entries — in its order.
std::string image_index_json(std::string_view media_type, const std::vector<IndexEntry>& entries,
                             const std::map<std::string, std::string>& annotations);

/// The index.json of an OCI layout. In: name — of the manifest, e.g. "docker.io/library/app:latest"; may be empty.
/// companion — a further manifest, without a name.
std::string make_index_json(const Descriptor& manifest, const ImageConfig& config, std::string_view name,
                            const std::optional<Descriptor>& companion = std::nullopt);

/// The descriptor of an uncompressed layer: its blob is the tar itself.
inline Descriptor uncompressed_layer(const Digest& diff_id, std::uint64_t size) {
    return Descriptor{std::string(k_layer_type), diff_id, size};
}

} // namespace dbuild::cache::oci
