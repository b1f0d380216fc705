// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/step_reports.hpp"

#include <fmt/format.h>

namespace dbuild::orchestrator {

StepReports::StepReports(const Project& project, Report& report) : project_(project), report_(report) {
    report_.steps.clear();
    for (const auto& stage : project.dockerfile->stages) {
        int position = 0;
        for (const auto& instruction : stage.instructions) {
            StepReport step;
            step.image = project.scope;
            step.stage = stage_name(stage.index);
            step.platform = project.platform_of(stage.index);
            step.position = ++position;
            step.first_line = instruction.where.first_line;
            step.last_line = instruction.where.last_line;
            step.text = instruction.text;
            if (!project.stages.contains(stage.index)) step.status = "skipped";
            report_.steps.push_back(std::move(step));
        }
    }
}

StepReport& StepReports::of(const ResolvedStage& stage, const ResolvedStep& step) {
    std::size_t before = 0;
    for (int i = 0; i < stage.index; ++i)
        before += project_.dockerfile->stages[static_cast<std::size_t>(i)].instructions.size();
    return report_.steps[before + static_cast<std::size_t>(step.position) - 1];
}

void StepReports::note_plan(const PlannedStage& plan, std::size_t first, progress::Reporter& reporter) {
    for (std::size_t i = first; i < plan.steps.size(); ++i) {
        const auto& step = plan.steps[i];
        auto& line = of(*plan.stage, *step.step);
        if (step.key) line.key = step.key->digest.to_string();
        line.reason = step.reason;
        if (step.status == StepStatus::metadata) line.status = "metadata";
        if (step.status != StepStatus::hit) continue;
        line.status = "hit";
        line.layer_bytes = step.record->layer_bytes;
        reporter.report(progress::StepHit{label(*plan.stage, *step.step)});
    }
}

progress::StepLabel StepReports::label(const ResolvedStage& stage, const ResolvedStep& step) const {
    return {stage_name(stage.index), step.position, static_cast<int>(stage.steps.size()), step.instruction->text,
            step.instruction->where.first_line};
}

std::string StepReports::stage_name(int stage) const {
    const auto& name = project_.graph.stages[static_cast<std::size_t>(stage)].name;
    return name.empty() ? fmt::format("stage-{}", stage) : name;
}

} // namespace dbuild::orchestrator
