// SPDX-License-Identifier: Apache-2.0
// Images of several platforms as one: an index over them, and a place that all of it is copied from.
#pragma once

#include "orchestrator/annotations.hpp"
#include "orchestrator/exporters/packed_image.hpp"

namespace dbuild::orchestrator::exporters {

/// In:     images — packed alike, with the configurations that say what they are for, in the order of the index.
/// Out:    what read_manifest() gives as the root is the index, with its own descriptor's annotations.
/// Source: BuildKit's image exporter, Commit, where there are several platforms and no attestations.
std::unique_ptr<cache::oci::ImageSource> make_index(std::vector<PackedImage> images,
                                                    const std::vector<Annotation>& annotations, MediaTypes types);

} // namespace dbuild::orchestrator::exporters
