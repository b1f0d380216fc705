// SPDX-License-Identifier: Apache-2.0
// Images that this machine has, those of the engine and those in the cache, as places to copy from and to
// (cache/oci/image_copy.hpp has the interface, and the places elsewhere).
#pragma once

#include "cache/oci/image_copy.hpp"
#include "cache/oci/reference.hpp"
#include "orchestrator/assemble.hpp"
#include "orchestrator/exporters/docker_exporter.hpp"

#include <memory>
#include <string>

namespace dbuild::orchestrator {

/// What the engine saves, in a temporary file as long as the source lives. Of an index whose platforms the engine has
/// not all pulled, the image of this machine's platform. Errors: not_found — the engine has it not; the engine's.
Result<std::unique_ptr<cache::oci::ImageSource>> make_engine_source(const Parts& parts,
                                                                    const cache::oci::ImageReference& name);

/// The same image to elsewhere, while the engine saves it: nothing of it goes through the disk but blobs that a
/// registry lacks, one at a time. The engine saves nothing where the image is there already.
/// Errors: not_found — the engine has it not; the engine's, the target's.
Result<cache::oci::CopyReport> copy_from_engine(const Parts& parts, const cache::oci::ImageReference& name,
                                                cache::oci::ImageTarget& to);

/// The image that was built last under that name, its layers packed by gzip. In: parts — borrowed.
/// Errors: not_found — it was not built with this cache, or the cache has not all of it any more.
Result<std::unique_ptr<cache::oci::ImageSource>> make_cache_source(const Parts& parts,
                                                                   const cache::oci::ImageReference& name);

/// What was built last under that name; whether its layers can still be had is another question. Errors: corrupt.
Result<std::optional<AssembledImage>> find_in_cache(const Parts& parts, const cache::oci::ImageReference& name);

/// Errors: not_found — one is not in the store.
Status require_layers(const Parts& parts, const AssembledImage& image);

/// An image of one platform with layers that `source` has; borrows it.
/// In: manifest — the image's own, or one below its index. Errors: corrupt; the source's.
Result<AssembledImage> read_image(cache::oci::ImageSource& source, const cache::oci::FetchedManifest& manifest);

/// Sends only what the engine lacks. Errors: the engine's, the source's.
Result<exporters::ExportedImage> bring_to_engine(const Parts& parts, AssembledImage image,
                                                 const std::vector<std::string>& tags);

} // namespace dbuild::orchestrator
