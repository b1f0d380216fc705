// SPDX-License-Identifier: Apache-2.0
// Keys of all steps of a project by lineage: each stands on the keys below it and not on what these steps made, so
// nothing has to be built, recorded or read. Two states of a project whose steps have equal keys build the same; steps
// that differ may still make the same, which only a build finds out.
#pragma once

#include "orchestrator/plan.hpp"

#include <functional>
#include <map>

namespace dbuild::orchestrator {

/// What stands for the files that a source of the context selects. In: source — expanded.
using ContextMark = std::function<Digest(const std::string& source)>;

/// Plans, by stage, whose steps have keys and whose final chains are known; of the needed stages.
/// In: project — borrowed by the plans. Errors: invalid_dockerfile, unsupported, unavailable.
Result<std::map<int, PlannedStage>> lineage_of(const Parts& parts, Project& project, const ContextMark& context);

} // namespace dbuild::orchestrator
