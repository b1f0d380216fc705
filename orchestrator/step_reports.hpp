// SPDX-License-Identifier: Apache-2.0
// The steps of a project as the report and the progress know them: one line per instruction, in file order.
#pragma once

#include "orchestrator/plan.hpp"
#include "orchestrator/progress/reporter.hpp"
#include "orchestrator/report.hpp"

#include <string>

namespace dbuild::orchestrator {

class StepReports {
public:
    /// Lists every instruction of every stage in `report`; stages that nobody needs are skipped. Both are borrowed.
    StepReports(const Project& project, Report& report);

    StepReport& of(const ResolvedStage& stage, const ResolvedStep& step);
    /// Notes what the plan says of a stage's steps from `first` on, and tells of the hits.
    void note_plan(const PlannedStage& plan, std::size_t first, progress::Reporter& reporter);

    progress::StepLabel label(const ResolvedStage& stage, const ResolvedStep& step) const;

private:
    std::string stage_name(int stage) const;

    const Project& project_;
    Report& report_;
};

} // namespace dbuild::orchestrator
