// SPDX-License-Identifier: Apache-2.0
#include "executors/buildx/oci_layout.hpp"

#include "support/files.hpp"

#include <fcntl.h>

namespace fs = std::filesystem;
namespace oci = dbuild::cache::oci;

namespace dbuild::executors::buildx {
namespace {

Status write_layer(const fs::path& path, const Digest& blob, const LayerReader& read_layer) {
    Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd.is_open()) return fail(ErrorKind::unavailable, "cannot create " + path.string());
    return read_layer(blob, [&](std::string_view bytes) { return write_all(fd.get(), bytes, path); });
}

/// The configuration that the engine sees: one history entry per layer, and no triggers that would run again.
oci::ImageConfig prefix_config(const RootFileSystem& root) {
    oci::ImageConfig config = root.config;
    config.on_build.clear();
    config.diff_ids.clear();
    config.history.clear();
    for (const auto& layer : root.layers) {
        config.diff_ids.push_back(layer.diff_id);
        config.history.push_back({{}, "dbuild", {}, {}, false});
    }
    return config;
}

} // namespace

Result<Digest> write_oci_layout(const fs::path& folder, const RootFileSystem& root, LayerBlobs blobs,
                                const LayerReader& read_layer) {
    const auto blob_folder = folder / "blobs" / "sha256";
    DBUILD_TRY(make_directories(blob_folder));
    oci::Manifest manifest;
    for (const auto& layer : root.layers) {
        const auto path = blob_folder / layer.descriptor.digest.hex();
        if (!fs::exists(path)) {
            if (blobs == LayerBlobs::real)
                DBUILD_TRY(write_layer(path, layer.descriptor.digest, read_layer));
            else
                DBUILD_TRY(write_file(path, ""));
        }
        manifest.layers.push_back(layer.descriptor);
    }
    const auto config = prefix_config(root);
    const auto config_json = config.to_json();
    manifest.config = {std::string(oci::k_config_type), sha256(config_json), config_json.size()};
    const auto manifest_json = manifest.to_json();
    const oci::Descriptor descriptor{std::string(oci::k_manifest_type), sha256(manifest_json), manifest_json.size()};
    DBUILD_TRY(write_file(blob_folder / manifest.config.digest.hex(), config_json));
    DBUILD_TRY(write_file(blob_folder / descriptor.digest.hex(), manifest_json));
    DBUILD_TRY(write_file(folder / "oci-layout", R"({"imageLayoutVersion":"1.0.0"})"));
    DBUILD_TRY(write_file(folder / "index.json", oci::make_index_json(descriptor, config, {})));
    return descriptor.digest;
}

} // namespace dbuild::executors::buildx
