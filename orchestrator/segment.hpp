// SPDX-License-Identifier: Apache-2.0
// Turns planned steps into a segment for an executor: the root file system below, the ARGs in force, and the
// instructions as text that means the same there. Source: design §5, "buildx", 5 and 6.
#pragma once

#include "executors/executor.hpp"
#include "orchestrator/plan.hpp"

#include <vector>

namespace dbuild::orchestrator {

/// Whether the engine may answer RUNs from its own cache.
enum class EngineCache { used, ignored };

struct PreparedSegment {
    executors::Segment segment;                             // without steps when none of them makes a layer
    std::vector<std::size_t> origins;                       // per segment step: index of the planned step it comes from
    std::vector<dockerfile_parser::StageReference> sources; // what the segment reads from, each once
    std::size_t end = 0;                                    // first planned step that is not in it
};

/// In: first — index of the first step to run; every layer-making step before it has a record. limit — the segment ends
/// before
///     this step at the latest.
/// Errors: as root_layers of assemble.hpp.
Result<PreparedSegment> make_segment(const Parts& parts, const Project& project, const Planner& planner, int stage,
                                     std::size_t first, std::size_t limit, EngineCache cache = EngineCache::used);

} // namespace dbuild::orchestrator
