// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/plan.hpp"

#include "orchestrator/explain.hpp"
#include "orchestrator/key_maker.hpp"
#include "support/time.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace dbuild::orchestrator {

using dockerfile_parser::StageReference;

namespace {

constexpr std::size_t k_causes_in_a_reason = 2; // `dbuild explain` says all

/// In: step — with its record.
cache::Chain chain_after(const cache::Chain& before, const PlannedStep& step) {
    const auto& record = *step.record;
    if (step.step->instruction->directives.has_no_cutoff) return before.after_run(record.key, record.diff_id);
    return before.after(record.chain_link());
}

bool is_expired(const cache::store::StepRecord& record, const std::optional<std::chrono::nanoseconds>& time_to_live) {
    if (!time_to_live) return false;
    const auto made = parse_rfc3339(record.created); // a time that cannot be read says nothing, so the step runs
    return !made || std::chrono::system_clock::now() - *made > *time_to_live;
}

} // namespace

Digest PlannedStage::layer_below(std::size_t step) const {
    while (step-- > 0)
        if (steps[step].record) return steps[step].record->diff_id;
    return base_layers.empty() ? Digest() : base_layers.back();
}

std::vector<Digest> PlannedStage::layers() const {
    auto all = base_layers;
    for (const auto& step : steps)
        if (step.record) all.push_back(step.record->diff_id);
    return all;
}

const std::string& Project::platform_of(int stage) const {
    const auto* node = &graph.stages[static_cast<std::size_t>(stage)];
    while (node->base.kind == StageReference::Kind::stage)
        node = &graph.stages[static_cast<std::size_t>(node->base.stage_index)];
    return node->platform.empty() ? platform : node->platform;
}

const BaseImage* Project::base_below(const StageReference& from) const {
    const auto* reference = &from;
    while (reference->kind == StageReference::Kind::stage) reference = &stages.at(reference->stage_index).base;
    return reference->kind == StageReference::Kind::image ? &bases.at(reference->image) : nullptr;
}

BaseImage* Project::base_below(const StageReference& from) {
    return const_cast<BaseImage*>(std::as_const(*this).base_below(from));
}

std::optional<std::chrono::nanoseconds> Project::time_to_live(const ResolvedStep& step) const {
    const auto* run = std::get_if<RunOperation>(&step.operation);
    if (!run) return std::nullopt;
    auto own = step.instruction->directives.time_to_live;
    if (!own && run->network != "none") own = options.cache_ttl;
    return own == std::chrono::nanoseconds::max() ? std::nullopt : own; // "forever"
}

Planner::Planner(const Parts& parts, Project& project)
    : parts_(parts), project_(project), keys_(std::make_unique<KeyMaker>(parts, project, plans_)) {}
Planner::~Planner() = default;

/// Nothing while the parent stage is incomplete.
std::optional<cache::Chain> Planner::initial_chain(const ResolvedStage& stage) const {
    switch (stage.base.kind) {
    case StageReference::Kind::scratch: return cache::Chain::of_base({});
    case StageReference::Kind::stage: return plans_.at(stage.base.stage_index).final_chain;
    case StageReference::Kind::context: // refused before there is a plan
    case StageReference::Kind::image: break;
    }
    return cache::Chain::of_base(project_.bases.at(stage.base.image).config.diff_ids);
}

Result<cache::Chain> Planner::chain_before(int stage, std::size_t step) const {
    const auto& plan = plans_.at(stage);
    auto chain = initial_chain(*plan.stage);
    if (!chain) return fail(ErrorKind::internal, "a stage was run before its base stage");
    for (std::size_t i = 0; i < step; ++i)
        if (plan.steps[i].record) chain = chain_after(*chain, plan.steps[i]);
    return *chain;
}

Result<std::optional<KeyedStep>> Planner::key_of(int stage, std::size_t step, const cache::Chain& before) {
    return keys_->key_of(plans_.at(stage), step, before);
}

Result<std::string> Planner::cache_writers(int stage, std::size_t step, std::size_t segment_start) const {
    return keys_->cache_writers(plans_.at(stage), step, segment_start);
}

/// A forced step gives no key to what stands on it, so it forces that too; what only copies from it may still hit.
void Planner::force_as_asked(PlannedStage& plan) const {
    const auto& stage = *plan.stage;
    const auto force = [&](std::string reason) {
        plan.forced_from = 0;
        plan.forced_because = std::move(reason);
    };
    const auto& name = project_.graph.stages[static_cast<std::size_t>(stage.index)].name;
    const auto& filter = project_.options.uncached_stages;
    if (project_.options.ignores_cache) return force("--no-cache");
    if (!name.empty() && std::find(filter.begin(), filter.end(), name) != filter.end())
        return force("--no-cache-filter");
    if (stage.base.kind != StageReference::Kind::stage) return;
    const auto& parent = plans_.at(stage.base.stage_index);
    if (parent.forced_from != PlannedStage::k_not_forced) force(parent.forced_because);
}

Result<PlannedStep> Planner::plan_step(PlannedStage& plan, std::size_t step, const cache::Chain& before) {
    PlannedStep planned;
    planned.step = &plan.stage->steps[step];
    DBUILD_TRY_ASSIGN(auto keyed, keys_->key_of(plan, step, before));
    if (!keyed) {
        planned.reason = "the stage it reads from has to be built first";
        return planned;
    }
    planned.key = keyed->key;
    planned.ingredients = std::move(keyed->ingredients);
    planned.status = StepStatus::miss;
    if (plan.is_forced(step)) {
        planned.reason = plan.forced_because;
        return planned;
    }
    DBUILD_TRY_ASSIGN(planned.record, parts_.index->find_step(*planned.key));
    if (planned.record && is_expired(*planned.record, project_.time_to_live(*planned.step))) {
        planned.causes = {{"expired", "made " + planned.record->created, "", ""}};
        planned.record.reset();
        plan.forced_from = step;
        plan.forced_because = fmt::format("line {} expired", planned.step->instruction->where.first_line);
    } else if (planned.record) {
        planned.status = StepStatus::hit;
        return planned;
    } else {
        planned.causes = causes_of(project_, history(), plan, planned);
    }
    planned.reason = in_one_line(planned.causes, k_causes_in_a_reason);
    return planned;
}

StepHistory& Planner::history() {
    if (!history_) {
        const auto folder = parts_.cache_folder.empty() ? std::filesystem::path() : parts_.cache_folder / "explain";
        history_ = std::make_unique<StepHistory>(StepHistory::open(folder, project_.scope));
    }
    return *history_;
}

Status Planner::remember_steps() { return orchestrator::remember_steps(project_, *this, history()); }

Result<const PlannedStage*> Planner::plan_stage(int index) {
    const auto& stage = project_.stages.at(index);
    PlannedStage plan;
    plan.stage = &stage;
    force_as_asked(plan);
    if (stage.base.kind == StageReference::Kind::image)
        plan.base_layers = project_.bases.at(stage.base.image).config.diff_ids;
    auto chain = initial_chain(stage);
    if (stage.base.kind == StageReference::Kind::stage && chain)
        plan.base_layers = plans_.at(stage.base.stage_index).layers();
    std::string blocker = chain ? "" : "its base stage has to be built first";
    for (std::size_t i = 0; i < stage.steps.size(); ++i) {
        PlannedStep planned;
        planned.step = &stage.steps[i];
        if (!planned.step->makes_layer()) {
            planned.status = StepStatus::metadata;
        } else if (!chain) {
            planned.reason = blocker;
            DBUILD_TRY(keys_->check_context_sources(*planned.step));
        } else {
            DBUILD_TRY_ASSIGN(planned, plan_step(plan, i, *chain));
            if (planned.record) {
                chain = chain_after(*chain, planned);
            } else {
                chain.reset();
                blocker = fmt::format("line {} has to be run first", planned.step->instruction->where.first_line);
            }
        }
        plan.steps.push_back(std::move(planned));
    }
    plan.final_chain = chain;
    return &(plans_[index] = std::move(plan));
}

void Planner::set_made(int stage, std::size_t step, KeyedStep keyed, cache::store::StepRecord record) {
    auto& planned = plans_.at(stage).steps[step];
    planned.key = keyed.key;
    planned.ingredients = std::move(keyed.ingredients);
    planned.record = std::move(record);
    for (auto& [index, above] : plans_) { // a lost layer that was made again may have other bytes under the same key
        const auto& base = above.stage->base;
        if (base.kind == StageReference::Kind::stage && plans_.at(base.stage_index).is_complete())
            above.base_layers = plans_.at(base.stage_index).layers();
    }
}

std::set<Digest> Planner::made_layers() const {
    std::set<Digest> layers;
    for (const auto& [stage, plan] : plans_)
        for (const auto& step : plan.steps)
            if (step.record && step.status != StepStatus::hit) layers.insert(step.record->diff_id);
    return layers;
}

void Planner::set_complete(int stage, const cache::Chain& chain) { plans_.at(stage).final_chain = chain; }

} // namespace dbuild::orchestrator
