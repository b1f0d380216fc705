// SPDX-License-Identifier: Apache-2.0
// Why a step has no result: which ingredient of its key is not what it was in the nearest of the scope's last builds.
#pragma once

#include "orchestrator/cause.hpp"
#include "orchestrator/plan.hpp"
#include "orchestrator/step_history.hpp"

#include <vector>

namespace dbuild::orchestrator {

/// In:      plan — its stage's steps before `planned` have their keys; planned — a miss with key and ingredients.
/// Out:     at least one cause; the files of a source sorted by path.
std::vector<Cause> causes_of(const Project& project, const StepHistory& history, const PlannedStage& plan,
                             const PlannedStep& planned);

/// Keeps what the steps of a finished build are made from, for the next explanation. Errors: as StepHistory::save.
Status remember_steps(const Project& project, const Planner& planner, StepHistory& history);

} // namespace dbuild::orchestrator
