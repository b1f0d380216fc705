// SPDX-License-Identifier: Apache-2.0
// The history of an image that is assembled: the base's, then one entry for every instruction, repaired where the base's does not
// fit its layers.
#pragma once

#include "cache/oci/image.hpp"
#include "orchestrator/plan.hpp"

#include <span>

namespace dbuild::orchestrator {

/// What is known of a layer without its entry in the history.
struct LayerOrigin {
    std::string created; // RFC 3339
    std::string description;
};

/// Makes as many entries claim a layer as there are layers: the last ones that claim one too many are marked empty, and
/// layers that nothing claims get entries of their own at the end, taken for the topmost ones.
/// In:     layers — from the lowest on, as many as the configuration has.
/// Source: normalizeLayersAndHistory of BuildKit's image exporter, and its texts.
void repair_history(std::span<const LayerOrigin> layers, cache::oci::ImageConfig& config);

/// Adds what the stages' instructions did to the configuration of the base (or to an empty one): diff_ids, history, and the time
/// at which the image was created. Metadata takes the time of the layer before it.
/// In: stages — complete; from the one on the base up to the target. dockerfile — theirs. epoch — if given, the time of all
///     instructions.
void append_history(const std::vector<const PlannedStage*>& stages, const dockerfile_parser::Dockerfile& dockerfile,
                    const std::optional<Instant>& epoch, cache::oci::ImageConfig& config);

} // namespace dbuild::orchestrator
