// SPDX-License-Identifier: Apache-2.0
#include "executors/buildx/prefix_image.hpp"

namespace oci = dbuild::cache::oci;

namespace dbuild::executors::buildx {

PrefixImage make_prefix_image(const RootFileSystem& root) {
    PrefixImage image;
    image.config = root.config;
    image.config.on_build.clear();
    image.config.diff_ids.clear();
    image.config.history.clear();
    for (const auto& layer : root.layers) {
        image.config.diff_ids.push_back(layer.diff_id);
        image.config.history.push_back({{}, "dbuild", {}, {}, false});
        image.layers.push_back(layer.descriptor);
    }
    image.config_json = image.config.to_json();
    image.config_digest = sha256(image.config_json);
    oci::Manifest manifest;
    manifest.config = {std::string(oci::k_config_type), image.config_digest, image.config_json.size()};
    manifest.layers = image.layers;
    image.manifest_json = manifest.to_json();
    image.manifest_digest = sha256(image.manifest_json);
    return image;
}

} // namespace dbuild::executors::buildx
