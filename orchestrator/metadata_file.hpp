// SPDX-License-Identifier: Apache-2.0
// The file of --metadata-file, with the keys that docker buildx gives it.
#pragma once

#include "orchestrator/report.hpp"

#include <map>
#include <string_view>

namespace dbuild::orchestrator {

/// One JSON object: containerimage.digest (the image's ID in the engine), containerimage.config.digest, image.name
/// (full references, commas between them; left out without tags), containerimage.descriptor where the ID is a
/// manifest's. Source: docker buildx 0.13 on both image stores. Its keys about builder and provenance have no
/// counterpart here.
std::string metadata_json(const ImageReport& image);

/// The file of a bake: such an object for each target. In: of_docker — what docker buildx bake wrote of further
/// targets, or "".
std::string metadata_json(const std::map<std::string, std::string>& by_target, std::string_view of_docker);

} // namespace dbuild::orchestrator
