// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/store_target.hpp"

#include "support/files.hpp"
#include "support/parallel.hpp"

#include <mutex>

namespace oci = dbuild::cache::oci;

namespace dbuild::orchestrator {
namespace {

constexpr std::size_t k_parallel = 4;

} // namespace

Status fetch_layer(oci::ImageSource& from, const oci::Descriptor& blob, const Digest& diff_id,
                   const cache::store::LayerStore& layers) {
    if (blob.digest != diff_id)
        return layers.receive_blob([&](const oci::ByteSink& sink) { return from.read_blob(blob, sink); }, blob.digest);
    return oci::pull_what_is_pushed([&](const oci::ByteSink& sink) { return from.read_blob(blob, sink); },
                                    [&](const oci::ByteSource& source) -> Status {
                                        DBUILD_TRY(layers.put(source, diff_id));
                                        return {};
                                    });
}

Result<PulledImage> pull_into_store(oci::ImageSource& from, const std::string& platform, const std::string& reference,
                                    cache::store::Index& index, const cache::store::LayerStore& layers) {
    PulledImage pulled;
    DBUILD_TRY_ASSIGN(const auto root, from.read_manifest(std::nullopt));
    pulled.id = root.descriptor.digest.to_string();
    DBUILD_TRY_ASSIGN(const auto manifest, oci::read_platform_manifest(from, platform));
    DBUILD_TRY_ASSIGN(const auto image, oci::Manifest::parse(manifest.bytes));
    DBUILD_TRY_ASSIGN(const auto config_json, oci::read_config(from, image.config));
    DBUILD_TRY_ASSIGN(const auto config, oci::ImageConfig::parse(config_json));
    if (config.diff_ids.size() != image.layers.size())
        return fail(ErrorKind::corrupt, reference + " has other layers than its configuration says");
    std::mutex mutex; // guards pulled
    const auto fetch = [&](std::size_t i) -> Status {
        const auto& blob = image.layers[i];
        const bool is_there = layers.has(blob.digest);
        if (!is_there) DBUILD_TRY(fetch_layer(from, blob, config.diff_ids[i], layers));
        const std::scoped_lock lock(mutex);
        pulled.layers_there += is_there;
        pulled.layers_fetched += !is_there;
        if (!is_there) pulled.bytes_fetched += blob.size;
        return {};
    };
    DBUILD_TRY(for_each_parallel(image.layers.size(), k_parallel, fetch));
    DBUILD_TRY(layers.flush());
    // An engine calls an image by its index, its manifest or its configuration.
    for (const auto& id : {pulled.id, manifest.descriptor.digest.to_string(), image.config.digest.to_string()})
        DBUILD_TRY(index.record_base({id, config_json, manifest.bytes}));
    DBUILD_TRY(index.record_pin(reference, pulled.id));
    return pulled;
}

} // namespace dbuild::orchestrator
