// SPDX-License-Identifier: Apache-2.0
// Writes a root file system as an OCI image layout that BuildKit takes as a build context. Layers that BuildKit should have
// already stand there as zero-length placeholders: it asks for a blob only if its own content store lacks it.
#pragma once

#include "executors/executor.hpp"

namespace dbuild::executors::buildx {

enum class LayerBlobs {
    placeholders, // zero-length files
    real,         // the blobs themselves, for an engine that has lost them
};

/// Writes the layout below `folder` (made if need be; several layouts may share it) and returns the manifest's digest.
/// Errors: unavailable — disk; whatever `read_layer` fails with (LayerBlobs::real).
/// Source: design.md §5 "Prefix by OCI layout"; seen on Docker 26.1.5 with buildx 0.13.1.
Result<Digest> write_oci_layout(const std::filesystem::path& folder, const RootFileSystem& root, LayerBlobs blobs,
                                const LayerReader& read_layer);

} // namespace dbuild::executors::buildx
