// SPDX-License-Identifier: Apache-2.0
// How layers get into a builder and out of it again, for one call of docker buildx build. Two ways, by what the engine
// can do: OCI layouts on disk (oci_exchange), or images in its classic store (image_exchange).
#pragma once

#include "executors/executor.hpp"

namespace dbuild::executors::buildx {

/// The name by which a generated Dockerfile calls the segment's root file system.
inline constexpr std::string_view k_root_name = "dbuild-root";

enum class LayerBlobs {
    placeholders, // zero-length files
    real,         // the blobs themselves, for an engine that has lost them
};

/// A layer as it came out; its blob is a plain or compressed tar.
struct ExportedLayer {
    Digest diff_id;
    std::filesystem::path blob;
};

class LayerExchange {
public:
    virtual ~LayerExchange() = default;

    /// Makes the root file systems of the segment known under their names, and says what docker buildx build has to be
    /// told for that and for the output. Errors: unavailable — disk or engine; whatever read_layer fails with.
    virtual Result<std::vector<std::string>> hand_in(const Segment& segment, LayerBlobs blobs,
                                                     const LayerReader& read_layer) = 0;

    /// All layers of what was built, lowest first, those of the root too; blobs are there only for the new ones, and
    /// live as long as this object. Errors: internal — no image came out; whatever read_layer fails with.
    virtual Result<std::vector<ExportedLayer>> take_out(const Segment& segment, const LayerReader& read_layer) = 0;
};

} // namespace dbuild::executors::buildx
