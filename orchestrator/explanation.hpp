// SPDX-License-Identifier: Apache-2.0
// What `dbuild explain` says: for each step that a build would run, everything that changed. Runs nothing.
#pragma once

#include "orchestrator/plan.hpp"

#include <functional>
#include <string>

namespace dbuild::orchestrator {

enum class ExplanationFormat { text, json };

/// In:      print — gets the text line by line, without line ends; or the JSON as one.
/// Errors:  as load_project and Planner::plan_stage.
Status explain_plan(const Parts& parts, const BuildOptions& options, ExplanationFormat format,
                    const std::function<void(const std::string& line)>& print);

} // namespace dbuild::orchestrator
