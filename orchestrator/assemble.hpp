// SPDX-License-Identifier: Apache-2.0
// Puts an image together from a complete plan: configuration, history and manifest. Nothing in it comes from the clock
// or the name of this machine, so every machine that has the same records assembles the same image (design §6).
#pragma once

#include "cache/oci/image.hpp"
#include "executors/executor.hpp"
#include "orchestrator/annotations.hpp"
#include "orchestrator/plan.hpp"

#include <functional>

namespace dbuild::orchestrator {

struct AssembledImage {
    executors::RootFileSystem root;      // layers with their descriptors; config without history
    cache::oci::ImageConfig config;      // complete
    std::vector<Annotation> annotations; // of all levels
    std::size_t base_layers = 0;         // of root.layers: those of the base image
    std::string config_json, manifest_json;
    Digest config_digest, manifest_digest;
    std::optional<Instant> epoch; // SOURCE_DATE_EPOCH
    /// Where the layers are, if not in the store.
    std::function<Status(const Digest& blob, const cache::oci::ByteSink& sink)> read_layer = nullptr;
};

/// The layers of an image, or of a stage as far as it has results, with the descriptors that an engine may know them
/// by. Errors: unavailable — the index cannot be read; corrupt — a layer is not recorded.
Result<std::vector<executors::RootLayer>> root_layers(const Parts& parts, const Project& project,
                                                      const Planner& planner,
                                                      const dockerfile_parser::StageReference& source);

/// Writes configuration and manifest anew, after a change of layers, configuration or annotations.
void complete(AssembledImage& image);

/// In: stage — index of a complete stage. Errors: as root_layers.
Result<AssembledImage> assemble(const Parts& parts, const Project& project, const Planner& planner, int stage);

} // namespace dbuild::orchestrator
