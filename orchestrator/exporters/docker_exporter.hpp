// SPDX-License-Identifier: Apache-2.0
// Brings an image into the engine: nothing if it is there already, else as a delta, an archive without the layers that
// the engine should have; only if that fails, whole.
#pragma once

#include "orchestrator/assemble.hpp"

namespace dbuild::orchestrator::exporters {

struct ExportedImage {
    std::string id;                // as `docker images` shows it
    std::vector<std::string> tags; // familiar form
    bool was_loaded = false;       // false: it was there
    Digest manifest_digest = {};   // where its layers may be packed otherwise than the store has them
    std::uint64_t manifest_bytes = 0;
    std::string media_type = std::string(cache::oci::k_manifest_type); // of the manifest, or of an index
    Digest config_digest = {};                                         // of an index: zeros
};

/// In: tags — as given by the user; may be empty, then the image is loaded without a name.
/// Errors: usage — a tag is no reference; not_found, corrupt — a layer is in neither the engine nor the store; the
/// engine's.
Result<ExportedImage> export_to_engine(const Parts& parts, const AssembledImage& image,
                                       const std::vector<std::string>& tags);

/// For an image that this build did not make: the engine is expected to have the layers of the image that has the first
/// of the tags now, and no other ones. Errors: as above.
Status expect_layers_of(const Parts& parts, const std::vector<std::string>& tags, AssembledImage& image);

} // namespace dbuild::orchestrator::exporters
