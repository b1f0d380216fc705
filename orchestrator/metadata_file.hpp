// SPDX-License-Identifier: Apache-2.0
// The file of --metadata-file, with the keys that docker buildx gives it.
#pragma once

#include "orchestrator/report.hpp"

namespace dbuild::orchestrator {

/// One JSON object: containerimage.digest (the image's ID in the engine), containerimage.config.digest, image.name (full
/// references, commas between them; left out without tags), containerimage.descriptor where the ID is a manifest's.
/// Source: docker buildx 0.13 on both image stores. Its keys about builder and provenance have no counterpart here.
std::string metadata_json(const ImageReport& image);

} // namespace dbuild::orchestrator
