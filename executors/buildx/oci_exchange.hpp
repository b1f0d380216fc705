// SPDX-License-Identifier: Apache-2.0
// Layers through OCI layouts on disk. Layers that BuildKit should have already stand there as zero-length placeholders: it
// asks for a blob only if its own content store lacks it, and buildx skips blobs of the output whose file is there.
// Source: design §5, 1 and 2; seen on Docker 26.1.5 with buildx 0.13.1.
#pragma once

#include "executors/buildx/layer_exchange.hpp"

#include <memory>

namespace dbuild::executors::buildx {

/// In: folder — an existing one of its own.
std::unique_ptr<LayerExchange> make_oci_exchange(std::filesystem::path folder);

/// Writes the layout below `folder` (made if need be; several layouts may share it) and returns the manifest's digest.
/// Errors: unavailable — disk; whatever `read_layer` fails with (LayerBlobs::real).
Result<Digest> write_oci_layout(const std::filesystem::path& folder, const RootFileSystem& root, LayerBlobs blobs,
                                const LayerReader& read_layer);

} // namespace dbuild::executors::buildx
