// SPDX-License-Identifier: Apache-2.0
// Images from elsewhere into the cache, for builds on them (base_images.hpp): configuration, manifest and layers as
// they come. What the layers hold is looked at when the first build needs it.
#pragma once

#include "cache/oci/image_copy.hpp"
#include "cache/store/index.hpp"
#include "cache/store/layer_store.hpp"

#include <string>

namespace dbuild::orchestrator {

struct PulledImage {
    std::string id; // digest of the index or manifest that the name means, which is also what an engine would call it
    std::uint64_t layers_fetched = 0, layers_there = 0, bytes_fetched = 0;
};

/// A layer that comes uncompressed is stored like one that dbuild made, in pieces; others stay as they are.
/// In:     diff_id — or another digest, if that is not known of a compressed one.
/// Errors: those of the source and of the store.
Status fetch_layer(cache::oci::ImageSource& from, const cache::oci::Descriptor& blob, const Digest& diff_id,
                   const cache::store::LayerStore& layers);

/// In:     platform — whose image of an index it is to be. reference — familiar form, pinned to the digest.
/// Effects: the pin comes last: before it, nothing is found by the name.
/// Errors: not_found — not for that platform; those of the source and of the store.
Result<PulledImage> pull_into_store(cache::oci::ImageSource& from, const std::string& platform,
                                    const std::string& reference, cache::store::Index& index,
                                    const cache::store::LayerStore& layers);

} // namespace dbuild::orchestrator
