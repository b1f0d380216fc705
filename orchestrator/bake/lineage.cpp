// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/bake/lineage.hpp"

#include "orchestrator/key_maker.hpp"

namespace dbuild::orchestrator {
namespace {

using dockerfile_parser::StageReference;

class LineageKeyMaker final : public KeyMaker {
public:
    LineageKeyMaker(const Parts& parts, Project& project, const std::map<int, PlannedStage>& plans,
                    const ContextMark& context)
        : KeyMaker(parts, project, plans), context_(context) {}

private:
    Result<Digest> selection(const StageReference& from, const std::string& path, const Reading&) override {
        DBUILD_TRY_ASSIGN(const auto source, source_of(from));
        return sha256(source.chain.digest().hex() + path);
    }
    Result<Digest> context_selection(const std::string& source, const Reading&) override { return context_(source); }
    Result<Digest> remote_content(const std::string& url, const std::optional<Digest>&) override { return sha256(url); }
    Result<std::string> commit_of(const GitUrl& repository) override {
        return repository.remote + "#" + repository.reference;
    }

    const ContextMark& context_;
};

} // namespace

Result<std::map<int, PlannedStage>> lineage_of(const Parts& parts, Project& project, const ContextMark& context) {
    std::map<int, PlannedStage> plans;
    LineageKeyMaker keys(parts, project, plans, context);
    for (const int index : project.graph.needed) {
        const auto& stage = project.stages.at(index);
        auto& plan = plans[index];
        plan.stage = &stage;
        auto chain = cache::Chain::of_base({});
        if (stage.base.kind == StageReference::Kind::stage)
            chain = *plans.at(stage.base.stage_index).final_chain;
        else if (stage.base.kind == StageReference::Kind::image)
            chain = cache::Chain::of_base(project.bases.at(stage.base.image).config.diff_ids);
        for (std::size_t i = 0; i < stage.steps.size(); ++i) {
            PlannedStep step;
            step.step = &stage.steps[i];
            if (step.step->makes_layer()) {
                DBUILD_TRY_ASSIGN(auto keyed, keys.key_of(plan, i, chain));
                if (!keyed) return fail(ErrorKind::internal, "a stage reads from one that comes later");
                step.key = keyed->key;
                step.ingredients = std::move(keyed->ingredients);
                chain = chain.after_run(keyed->key, {});
            } else {
                step.status = StepStatus::metadata;
            }
            plan.steps.push_back(std::move(step));
        }
        plan.final_chain = chain;
    }
    return plans;
}

} // namespace dbuild::orchestrator
