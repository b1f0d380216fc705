// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/plan.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace dbuild::orchestrator {
namespace {

namespace parser = dockerfile_parser;

/// A RUN sees all variables; their order cannot change what a process does, so the key takes them as a sorted set.
std::vector<std::string> sorted_environment(const BuildState& state) {
    std::vector<std::string> entries;
    for (const auto& variable : state.variables) entries.push_back(variable.name + "=" + variable.value);
    std::sort(entries.begin(), entries.end());
    return entries;
}

std::string base_name(std::string_view path) {
    while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
    return std::string(path.substr(path.rfind('/') + 1));
}

} // namespace

std::vector<Digest> PlannedStage::layers() const {
    auto all = base_layers;
    for (const auto& step : steps)
        if (step.record) all.push_back(step.record->diff_id);
    return all;
}

Result<std::optional<cache::Chain>> Planner::initial_chain(const ResolvedStage& stage) {
    switch (stage.base.kind) {
    case parser::StageReference::Kind::scratch: return cache::Chain::of_base({});
    case parser::StageReference::Kind::stage: return plans_.at(stage.base.stage_index).final_chain;
    case parser::StageReference::Kind::image: break;
    }
    return cache::Chain::of_base(project_.bases.at(stage.base.image).config.diff_ids);
}

/// Digest of what a path names in another stage; remembered, so that a plan reads tables of contents only once.
Result<Digest> Planner::stage_selection(int stage, const std::string& source) {
    const auto& plan = plans_.at(stage);
    const auto& chain = plan.final_chain->digest();
    DBUILD_TRY_ASSIGN(const auto known, parts_.index->find_selection(chain, source));
    if (known) return *known;
    // A base's table of contents is there once something was built on it; a plan without a build may be the first to ask.
    for (auto* current = &project_.stages.at(stage);;) {
        if (current->base.kind == parser::StageReference::Kind::image) {
            DBUILD_TRY(load_base(parts_, project_.bases.at(current->base.image)));
            break;
        }
        if (current->base.kind == parser::StageReference::Kind::scratch) break;
        current = &project_.stages.at(current->base.stage_index);
    }
    cache::oci::FileTree tree;
    for (const auto& diff_id : plan.layers()) {
        DBUILD_TRY_ASSIGN(const auto contents, parts_.index->find_contents(diff_id));
        if (!contents) return fail(ErrorKind::corrupt, "cache index: no table of contents of layer " + diff_id.to_string());
        tree.apply(*contents);
    }
    DBUILD_TRY_ASSIGN(const auto digest, cache::oci::selection_digest(tree, source));
    DBUILD_TRY(parts_.index->record_selection(chain, source, digest));
    return digest;
}

Result<std::optional<Planner::Keyed>> Planner::key_of(const ResolvedStep& step, const cache::Chain& before) {
    if (const auto* run = std::get_if<RunOperation>(&step.operation)) {
        cache::StepKeyBuilder key("run");
        key.add("chain", before.digest());
        key.add("platform", project_.platform);
        key.add("arguments", run->arguments);
        key.add("environment", sorted_environment(step.before));
        key.add("directory", step.before.working_dir());
        key.add("user", step.before.config.user);
        return Keyed{key.finish(), key.ingredients()};
    }
    if (const auto* workdir = std::get_if<WorkdirOperation>(&step.operation)) {
        cache::StepKeyBuilder key("workdir");
        key.add("chain", before.digest());
        key.add("path", workdir->path);
        key.add("user", step.before.config.user); // owner of new directories
        return Keyed{key.finish(), key.ingredients()};
    }
    const auto& copy = std::get<CopyOperation>(step.operation);
    if (!copy.is_from_context && !plans_.at(copy.from.stage_index).is_complete()) return std::nullopt;
    cache::StepKeyBuilder key(copy.is_add ? "add" : "copy");
    if (!copy.is_link) key.add("chain", before.digest()); // --link does not see the root file system
    key.add("link", copy.is_link ? "yes" : "no");
    key.add("destination", copy.destination);
    key.add("owner", copy.chown);
    key.add("mode", copy.chmod);
    for (const auto& source : copy.sources) {
        auto digest = copy.is_from_context ? project_.context->source_digest(source)
                                           : stage_selection(copy.from.stage_index, source);
        if (!digest) {
            if (digest.error().kind == ErrorKind::not_found) digest.error().where = step.instruction->where;
            return fail(std::move(digest).error());
        }
        key.add("source name", base_name(source));
        key.add("source content", *digest);
    }
    for (const auto& file : copy.files) {
        key.add("file name", file.name);
        key.add("file content", sha256(file.body));
    }
    return Keyed{key.finish(), key.ingredients()};
}

Result<const PlannedStage*> Planner::plan_stage(int index) {
    const auto& stage = project_.stages.at(index);
    PlannedStage plan;
    plan.stage = &stage;
    if (stage.base.kind == parser::StageReference::Kind::image)
        plan.base_layers = project_.bases.at(stage.base.image).config.diff_ids;
    DBUILD_TRY_ASSIGN(auto chain, initial_chain(stage));
    if (stage.base.kind == parser::StageReference::Kind::stage && chain) plan.base_layers = plans_.at(stage.base.stage_index).layers();
    std::string blocker = chain ? "" : "its base stage has to be built first";
    for (const auto& step : stage.steps) {
        PlannedStep planned;
        planned.step = &step;
        if (!step.makes_layer()) {
            planned.status = StepStatus::metadata;
        } else if (!chain) {
            planned.status = StepStatus::unknown;
            planned.reason = blocker;
        } else {
            DBUILD_TRY_ASSIGN(auto keyed, key_of(step, *chain));
            if (!keyed) {
                planned.status = StepStatus::unknown;
                planned.reason = "the stage it copies from has to be built first";
            } else {
                planned.key = keyed->key;
                planned.ingredients = std::move(keyed->ingredients);
                planned.status = StepStatus::miss;
                planned.reason = project_.options.ignores_cache ? "--no-cache" : "no result with this key";
                if (!project_.options.ignores_cache) {
                    DBUILD_TRY_ASSIGN(planned.record, parts_.index->find_step(*planned.key));
                    if (planned.record) planned = {&step, StepStatus::hit, {}, planned.key, planned.ingredients, planned.record};
                }
            }
            if (planned.record)
                chain = chain->after(planned.record->content_id);
            else
                chain.reset(), blocker = fmt::format("line {} has to be run first", step.instruction->where.first_line);
        }
        plan.steps.push_back(std::move(planned));
    }
    plan.final_chain = chain;
    return &(plans_[index] = std::move(plan));
}

void Planner::set_made(int stage, std::size_t step, Keyed keyed, cache::store::StepRecord record) {
    auto& planned = plans_.at(stage).steps[step];
    planned.key = keyed.key;
    planned.ingredients = std::move(keyed.ingredients);
    planned.record = std::move(record);
}

void Planner::set_complete(int stage, const cache::Chain& chain) { plans_.at(stage).final_chain = chain; }

} // namespace dbuild::orchestrator
