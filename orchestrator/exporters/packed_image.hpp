// SPDX-License-Identifier: Apache-2.0
// An assembled image with its layers packed for the way: a place that images are copied from
// (cache/oci/image_copy.hpp). The digest of a packed layer is remembered, so that a layer which is where it was asked
// for is not packed again.
#pragma once

#include "cache/oci/image_copy.hpp"
#include "orchestrator/assemble.hpp"
#include "orchestrator/exporters/output.hpp"

#include <functional>
#include <memory>
#include <vector>

namespace dbuild::orchestrator::exporters {

struct PackedImage {
    cache::oci::Manifest manifest; // with the descriptors of the packed layers, all of OCI's types or of Docker's
    cache::oci::Descriptor root;   // of the manifest, with its annotations
    cache::oci::ImageConfig config;
    std::unique_ptr<cache::oci::ImageSource> source;  // borrows the store
    std::vector<cache::store::CompressedLayer> fresh; // what had to be packed
    std::string packing;                              // what the bytes of those depend on besides the layers
};

/// Gets the layers that need no packing, where others do, before that begins.
using KnownLayersSink = std::function<void(const std::vector<cache::oci::Descriptor>& layers)>;

/// In:     base — the reference of the base image, whose repository may have its layers; may be empty.
///         tell_known — may be null.
/// Effects: layers whose packed digest is not known yet are packed into temporary files, on all cores.
/// Errors: not_found, corrupt — a layer is not in the store; unavailable — disk.
Result<PackedImage> pack_image(const Parts& parts, const AssembledImage& image, const Packing& packing,
                               const std::string& base, const KnownLayersSink& tell_known = nullptr);

/// The digests of what was packed, for the next time; best when the image is where it was wanted, since it takes a
/// write to disk. Errors: the index's.
Status remember_packing(const Parts& parts, const PackedImage& image);

} // namespace dbuild::orchestrator::exporters
