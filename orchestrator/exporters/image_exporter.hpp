// SPDX-License-Identifier: Apache-2.0
// Brings a build's image to every place that --output, --load and --push name, each of which gets what it lacks.
#pragma once

#include "orchestrator/exporters/docker_exporter.hpp"

namespace dbuild::orchestrator::exporters {

/// In:     base — the reference of the image's base, or empty. options — outputs (none: the engine) and tags.
/// Out:    the image as the engine knows it if it went there, but for the manifest, which is the last place's.
/// Errors: not_found, corrupt — a layer is in neither the place nor the store; those of
///         the engine, of registries and of the disk.
Result<ExportedImage> export_image(const Parts& parts, const AssembledImage& image, const BuildOptions& options,
                                   const std::string& base);

/// The same of images for several platforms, which go there as one index.
/// In:  images — in the index's order. options — outputs that take indexes, or go nowhere.
/// Out: the index where it went last; nothing where it went nowhere.
Result<ExportedImage> export_index(const Parts& parts, const std::vector<AssembledImage>& images,
                                   const BuildOptions& options);

} // namespace dbuild::orchestrator::exporters
