// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/explanation.hpp"

#include "orchestrator/step_reports.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

namespace json = boost::json;

namespace dbuild::orchestrator {
namespace {

json::object to_json(const std::string& label, const PlannedStep& planned) {
    json::array causes;
    for (const auto& cause : planned.causes)
        causes.push_back(
            json::object{{"kind", cause.kind}, {"name", cause.name}, {"before", cause.before}, {"after", cause.after}});
    const auto& instruction = *planned.step->instruction;
    return {{"step", label},
            {"line", instruction.where.first_line},
            {"text", instruction.text},
            {"reason", planned.reason},
            {"causes", std::move(causes)}};
}

void print_text(const std::string& label, const PlannedStep& planned,
                const std::function<void(const std::string& line)>& print) {
    print(label + " " + planned.step->instruction->text);
    if (planned.causes.empty()) print("    " + planned.reason);
    for (const auto& cause : planned.causes) print("    " + cause.to_string());
}

} // namespace

Status explain_plan(const Parts& parts, const BuildOptions& options, ExplanationFormat format,
                    const std::function<void(const std::string& line)>& print) {
    DBUILD_TRY_ASSIGN(auto project, load_project(parts, options));
    Planner planner(parts, project);
    Report unused;
    const StepReports steps(project, unused);
    json::array explained;
    for (const int index : project.graph.needed) {
        const auto planned_stage = planner.plan_stage(index);
        if (!planned_stage) return fail(project.explained(planned_stage.error()));
        for (const auto& planned : (*planned_stage)->steps) {
            if (planned.status == StepStatus::hit || planned.status == StepStatus::metadata) continue;
            const auto label = steps.label(*(*planned_stage)->stage, *planned.step).to_string();
            if (format == ExplanationFormat::text) print_text(label, planned, print);
            explained.push_back(to_json(label, planned));
        }
    }
    if (format == ExplanationFormat::json) print(json::serialize(explained));
    if (format == ExplanationFormat::text && explained.empty()) print("nothing would run");
    return {};
}

} // namespace dbuild::orchestrator
