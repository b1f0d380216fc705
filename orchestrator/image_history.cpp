// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/image_history.hpp"

#include "support/time.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace dbuild::orchestrator {
namespace {

constexpr std::string_view k_comment = "buildkit.exporter.image.v0";
constexpr const char* k_base_description = "created by buildkit"; // of a layer that it did not see made

/// The step as BuildKit's progress names it: "[build 2/3] COPY a /", counted from 1, which is FROM unless that is a stage.
std::string step_name(const dockerfile_parser::Dockerfile& dockerfile, const PlannedStage& plan, const PlannedStep& named) {
    const bool is_on_stage = plan.stage->base.kind == dockerfile_parser::StageReference::Kind::stage;
    std::size_t total = is_on_stage ? 0 : 1, number = 0;
    for (const auto& step : plan.steps) {
        if (step.step->makes_layer()) ++total;
        if (&step == &named) number = total;
    }
    const auto& name = dockerfile.stages[static_cast<std::size_t>(plan.stage->index)].from.stage_name;
    std::string prefix = name.empty() ? "" : name + " ";
    if (name.empty() && dockerfile.stages.size() > 1) prefix = fmt::format("stage-{} ", plan.stage->index);
    return fmt::format("[{}{:>{}}/{}] {}", prefix, number, std::to_string(total).size(), total, named.step->instruction->text);
}

} // namespace

void repair_history(std::span<const LayerOrigin> layers, cache::oci::ImageConfig& config) {
    std::size_t claimed = 0;
    for (auto& entry : config.history) {
        if (entry.empty_layer) continue;
        entry.empty_layer = claimed == layers.size();
        if (!entry.empty_layer) ++claimed;
    }
    for (const auto& layer : layers.subspan(claimed))
        config.history.push_back({layer.created, layer.description, std::string(k_comment), {}, false});
}

void append_history(const std::vector<const PlannedStage*>& stages, const dockerfile_parser::Dockerfile& dockerfile,
                    const std::optional<Instant>& epoch, cache::oci::ImageConfig& config) {
    const auto base_entries = config.history.size();
    std::vector<LayerOrigin> layers(config.diff_ids.size(), {config.created, k_base_description});
    std::string last = config.history.empty() || config.history.back().created.empty() ? config.created
                                                                                       : config.history.back().created;
    std::string newest = config.created;
    for (const auto* stage : stages)
        for (const auto& step : stage->steps) {
            if (step.record) {
                last = step.record->created;
                newest = std::max(newest, last); // RFC 3339 in UTC with nine digits sorts as text
                config.diff_ids.push_back(step.record->diff_id);
                layers.push_back({last, step_name(dockerfile, *stage, step)});
            }
            for (auto entry : step.step->history) {
                entry.created = last;
                config.history.push_back(std::move(entry));
            }
        }
    repair_history(layers, config);
    config.created = newest;
    if (!epoch || config.history.size() == base_entries) return;
    config.created = format_rfc3339_seconds(*epoch);
    for (auto i = base_entries; i < config.history.size(); ++i) config.history[i].created = config.created;
}

} // namespace dbuild::orchestrator
