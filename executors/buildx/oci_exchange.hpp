// SPDX-License-Identifier: Apache-2.0
// Layers through OCI layouts on disk. Layers that BuildKit should have already stand there as zero-length placeholders:
// it asks for a blob only if its own content store lacks it, and buildx skips blobs of the output whose file is there.
// Source: design §5, 1 and 2; seen on Docker 26.1.5 with buildx 0.13.1.
#pragma once

#include "executors/buildx/layer_exchange.hpp"

#include <memory>

#include <optional>

namespace dbuild::executors::buildx {

/// In: folder — an existing one of its own.
std::unique_ptr<LayerExchange> make_oci_exchange(std::filesystem::path folder);

/// Writes the layout below `folder` (made if need be; several layouts may share it) and returns the manifest's digest.
/// Errors: unavailable — disk; whatever `read_layer` fails with (LayerBlobs::real).
Result<Digest> write_oci_layout(const std::filesystem::path& folder, const RootFileSystem& root, LayerBlobs blobs,
                                const LayerReader& read_layer);

/// The root as a builder gets it: below the lowest layer that no engine made stands an empty one, the seam. BuildKit
/// names what it unpacks by its chain of layers, but what it made itself not; an engine that later unpacks an image of
/// the same chain would then find its upper layers, and never make the lower ones that `docker history` asks for. The
/// seam keeps the chains apart.
struct SeamedRoot {
    RootFileSystem root;
    std::optional<std::size_t> seam; // its index
};
SeamedRoot with_seam(RootFileSystem root);

} // namespace dbuild::executors::buildx
