// SPDX-License-Identifier: Apache-2.0
// Builds many images at once, each as `dbuild build` would build it: with a scope, a plan and a report of its own. What
// they share they do once: each context is looked at once, and of several that need a step one runs it, and the others
// take its result (cache/store/claim.hpp).
#pragma once

#include "orchestrator/bake/bake_file.hpp"
#include "orchestrator/image_build.hpp"

#include <chrono>

namespace dbuild::orchestrator {

/// A target on its way to an image.
struct BakeImage {
    enum class Outcome { not_built, built, failed, handed_over };

    BakeTarget target;
    BuildCommandLine line;
    Outcome outcome = Outcome::not_built;
    Error reason{}; // unless it was built: why; of one that is handed over, why docker buildx has to build it
    Report report;
    std::chrono::duration<double> wall{};
};

struct BakeCommandLine;

/// The targets as images to be built, in the order of `targets`.
/// In:      selected — those whose images are wanted; the others are only read. Errors: usage — of a value in the bake
/// file.
Result<std::vector<BakeImage>> images_of(const BakeFile& file, const std::vector<std::string>& targets,
                                         const std::vector<std::string>& selected, const BakeCommandLine& line);

enum class AtFailure { go_on, end_all };

struct BakeRun {
    const Machine& machine;
    progress::Reporter& reporter;
    const std::atomic<bool>& cancelled;
    AtFailure at_failure = AtFailure::go_on;
};

/// Builds them, independent ones side by side, and puts the outcomes into them. What docker buildx has to build is left
/// to the caller, with all that reads from it. In:      images — what is read stands before what reads it. Out: bytes
/// that were read of contexts.
std::uint64_t bake(std::vector<BakeImage>& images, const BakeRun& run);

} // namespace dbuild::orchestrator
