// SPDX-License-Identifier: Apache-2.0
// --output rewrite-timestamp=true: an image in which nothing that this build added is younger than SOURCE_DATE_EPOCH.
// Source: BuildKit's image exporter, rewriteRemoteWithEpoch; the layers of the base stay as they are.
#pragma once

#include "orchestrator/assemble.hpp"

namespace dbuild::orchestrator::exporters {

/// In:      image — with an epoch.
/// Out:     the image with other layers, diff_ids, configuration and manifest; its history is the same.
/// Effects: layers that have to be made are put into the store; which ones were made of which is remembered.
/// Errors:  unsupported — an epoch that no tar header holds; not_found, corrupt — a layer is not in the store;
///          unavailable — disk.
Result<AssembledImage> clamp_times(const Parts& parts, AssembledImage image);

} // namespace dbuild::orchestrator::exporters
