// SPDX-License-Identifier: Apache-2.0
// The image that a builder sees below a segment: its layers, and the configuration in force there.
#pragma once

#include "executors/executor.hpp"

namespace dbuild::executors::buildx {

struct PrefixImage {
    cache::oci::ImageConfig config; // one history entry per layer, and no triggers that would run again
    std::string config_json, manifest_json;
    Digest config_digest, manifest_digest;
    std::vector<cache::oci::Descriptor> layers;
};

PrefixImage make_prefix_image(const RootFileSystem& root);

} // namespace dbuild::executors::buildx
