// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/build.hpp"

#include "orchestrator/assemble.hpp"
#include "orchestrator/exporters/docker_exporter.hpp"
#include "orchestrator/plan.hpp"
#include "orchestrator/segment.hpp"
#include "support/files.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace dbuild::orchestrator {
namespace {

using cache::store::Index;
using cache::store::StepRecord;

constexpr int k_attempts = 3; // a damaged layer or a file changed under our hands costs another round, not the build

std::string stage_label(const Project& project, int stage) {
    const auto& name = project.graph.stages[static_cast<std::size_t>(stage)].name;
    return name.empty() ? fmt::format("stage-{}", stage) : name;
}

/// One round over a project: everything that the steps of a build share.
class Round {
public:
    Round(const Parts& parts, Project& project, Report& report)
        : parts_(parts), project_(project), report_(report), planner_(parts, project) {}

    Status plan_all() {
        for (const int stage : project_.graph.needed) DBUILD_TRY(planner_.plan_stage(stage));
        list_steps();
        return {};
    }

    Status run_missing() {
        for (const int stage : project_.graph.needed) {
            DBUILD_TRY_ASSIGN(const auto* plan, planner_.plan_stage(stage)); // what stages before it made is known now
            note_plan(*plan);
            if (plan->is_complete()) continue;
            const auto first = std::find_if(plan->steps.begin(), plan->steps.end(), [](const PlannedStep& step) {
                return step.status == StepStatus::miss || step.status == StepStatus::unknown;
            });
            DBUILD_TRY(run_from(stage, static_cast<std::size_t>(first - plan->steps.begin())));
        }
        return {};
    }

    /// Assembles the target and brings it to the engine; a layer that neither has is made again first.
    Status export_target() {
        DBUILD_TRY(load_base_of(project_.graph.target));
        DBUILD_TRY_ASSIGN(auto image, assemble(parts_, project_, planner_, project_.graph.target));
        auto exported = exporters::export_to_engine(parts_, image, project_.options.tags);
        if (!exported && exported.error().kind == ErrorKind::not_found) {
            DBUILD_TRY(remake_lost_layers(project_.graph.target));
            DBUILD_TRY_ASSIGN(image, assemble(parts_, project_, planner_, project_.graph.target));
            exported = exporters::export_to_engine(parts_, image, project_.options.tags);
        }
        if (!exported) return fail(std::move(exported).error());
        std::uint64_t bytes = 0;
        for (const auto& layer : image.root.layers) bytes += layer.size;
        report_.images = {{exported->id, image.manifest_digest.to_string(), exported->tags, bytes}};
        return use_keys();
    }

    /// Steps of every stage in file order; stages that nobody needs are skipped.
    void list_steps() {
        report_.steps.clear();
        for (const auto& stage : project_.dockerfile->stages) {
            const auto resolved = project_.stages.find(stage.index);
            int position = 0;
            for (const auto& instruction : stage.instructions) {
                StepReport step;
                step.image = project_.scope;
                step.stage = stage_label(project_, stage.index);
                step.platform = project_.platform;
                step.position = ++position;
                step.first_line = instruction.where.first_line;
                step.last_line = instruction.where.last_line;
                step.text = instruction.text;
                if (resolved == project_.stages.end()) step.status = "skipped";
                report_.steps.push_back(std::move(step));
            }
        }
    }

    void note_whole_plan(const PlanPrinter& print) {
        for (const int index : project_.graph.needed) {
            const auto& plan = planner_.planned(index);
            for (const auto& step : plan.steps) {
                auto& line = report_of(index, step);
                static constexpr std::string_view names[] = {"metadata", "hit", "miss", "unknown"};
                const std::string_view name = names[static_cast<std::size_t>(step.status)];
                line.status = step.status == StepStatus::hit || step.status == StepStatus::metadata ? name : "not_reached";
                line.reason = step.reason;
                if (step.key) line.key = step.key->digest.to_string();
                print(fmt::format("{} {}: {}{}", label_of(index, step).to_string(), step.step->instruction->text, name,
                                  step.reason.empty() ? "" : " (" + step.reason + ")"));
            }
        }
    }

private:
    progress::StepLabel label_of(int stage, const PlannedStep& step) const {
        const auto& instruction = *step.step->instruction;
        return {stage_label(project_, stage), step.step->position, static_cast<int>(project_.stages.at(stage).steps.size()),
                instruction.text, instruction.where.first_line};
    }

    StepReport& report_of(int stage, const PlannedStep& step) {
        std::size_t before = 0;
        for (int i = 0; i < stage; ++i) before += project_.dockerfile->stages[static_cast<std::size_t>(i)].instructions.size();
        return report_.steps[before + static_cast<std::size_t>(step.step->position) - 1];
    }

    void note_plan(const PlannedStage& plan) {
        for (const auto& step : plan.steps) {
            auto& line = report_of(plan.stage->index, step);
            if (line.status == "ran") continue;
            if (step.key) line.key = step.key->digest.to_string();
            line.reason = step.reason;
            if (step.status == StepStatus::metadata) line.status = "metadata";
            if (step.status != StepStatus::hit) continue;
            line.status = "hit";
            line.layer_bytes = step.record->layer_bytes;
            parts_.reporter->report(progress::StepHit{label_of(plan.stage->index, step)});
        }
    }

    Status load_base_of(int stage) {
        const auto* resolved = &project_.stages.at(stage);
        while (resolved->base.kind == dockerfile_parser::StageReference::Kind::stage)
            resolved = &project_.stages.at(resolved->base.stage_index);
        if (resolved->base.kind == dockerfile_parser::StageReference::Kind::scratch) return {};
        auto& base = project_.bases.at(resolved->base.image);
        if (!base.layers.empty()) return parts_.index->record_pin(base.reference, base.id);
        return load_base(parts_, base);
    }

    /// Runs a stage from its n-th step on, in one segment (or more, where one cannot express it), and records the results.
    Status run_from(int stage, std::size_t first) {
        DBUILD_TRY(load_base_of(stage));
        // Layers below must be there to be handed over; the lowest one that is lost is where the stage has to start again.
        const auto& steps = planner_.planned(stage).steps;
        for (std::size_t i = 0; i < first; ++i)
            if (steps[i].record && !parts_.layers->has(steps[i].record->diff_id)) {
                first = i;
                break;
            }
        while (first < steps.size()) {
            DBUILD_TRY_ASSIGN(first, run_segment(stage, first));
        }
        return {};
    }

    /// Runs one segment; returns the step after it.
    Result<std::size_t> run_segment(int stage, std::size_t first) {
        DBUILD_TRY_ASSIGN(auto prepared, make_segment(parts_, project_, planner_, stage, first));
        if (prepared.segment.steps.empty()) return finish_stage(stage, prepared.end);
        for (const int source : prepared.source_stages) DBUILD_TRY(load_base_of(source));
        const auto observer = observe(stage, prepared);
        ++report_.totals.executor_calls;
        auto result = parts_.executor->run(prepared.segment, observer, [&](const Digest& blob, const cache::oci::ByteSink& sink) {
            return parts_.layers->read(blob, sink);
        });
        if (!result) return fail(std::move(result).error());
        DBUILD_TRY(record(stage, prepared, *result));
        if (result->failure) return fail(failure_of(stage, prepared, *result->failure));
        return finish_stage(stage, prepared.end);
    }

    Result<std::size_t> finish_stage(int stage, std::size_t end) {
        const auto& plan = planner_.planned(stage);
        if (end < plan.steps.size()) return end;
        DBUILD_TRY_ASSIGN(const auto chain, chain_before(stage, end));
        planner_.set_complete(stage, chain);
        return end;
    }

    /// The chain before a step all of whose predecessors have records.
    Result<cache::Chain> chain_before(int stage, std::size_t end) {
        const auto& plan = planner_.planned(stage);
        DBUILD_TRY_ASSIGN(auto chain, planner_.initial_chain(*plan.stage));
        if (!chain) return fail(ErrorKind::internal, "a stage was run before its base stage");
        for (std::size_t i = 0; i < end; ++i)
            if (plan.steps[i].record) chain = chain->after(plan.steps[i].record->content_id);
        return *chain;
    }

    executors::SegmentObserver observe(int stage, const PreparedSegment& prepared) {
        const auto step_of = [this, stage, &prepared](std::size_t i) -> const PlannedStep& {
            return planner_.planned(stage).steps[prepared.origins[i]];
        };
        executors::SegmentObserver observer;
        observer.on_started = [=, this](std::size_t i) {
            const auto& step = step_of(i);
            parts_.reporter->report(progress::StepStarted{label_of(stage, step), step.reason});
        };
        observer.on_output = [=, this](std::size_t i, std::string_view bytes) {
            parts_.reporter->report(progress::StepOutput{label_of(stage, step_of(i)), bytes});
        };
        observer.on_finished = [=, this](std::size_t i, std::chrono::duration<double> wall, bool is_cached) {
            const auto& step = step_of(i);
            report_of(stage, step).wall_ms = wall.count() * 1000;
            parts_.reporter->report(progress::StepFinished{label_of(stage, step), wall, is_cached});
        };
        observer.on_process_started = [this] { ++report_.totals.processes_started; };
        return observer;
    }

    /// Stores what a segment made, step by step: layer first, row last. Then the records take their places in the plan.
    Status record(int stage, const PreparedSegment& prepared, const executors::SegmentResult& result) {
        std::size_t k = 0;
        for (std::size_t i = 0; i < prepared.segment.steps.size() && k < result.layers.size(); ++i) {
            if (!prepared.segment.steps[i].makes_layer) continue;
            const auto& made = result.layers[k++];
            const auto origin = prepared.origins[i];
            DBUILD_TRY_ASSIGN(const auto before, chain_before(stage, origin));
            DBUILD_TRY(record_step(stage, origin, before, made));
        }
        return {};
    }

    Status record_step(int stage, std::size_t origin, const cache::Chain& before, const executors::MadeLayer& made) {
        const auto& planned = planner_.planned(stage).steps[origin];
        const auto& step = *planned.step;
        DBUILD_TRY_ASSIGN(auto keyed, planner_.key_of(step, before));
        if (!keyed) return fail(ErrorKind::internal, "a step was run before the stage that it copies from");
        DBUILD_TRY_ASSIGN(const auto blob, cache::store::file_source(made.blob));
        DBUILD_TRY_ASSIGN(const auto scan, parts_.layers->put(blob, made.diff_id));
        DBUILD_TRY(check_copied_bytes(step, scan.contents));
        DBUILD_TRY(parts_.index->record_layer(scan.diff_id, scan.size, scan.contents));
        const bool is_run = std::holds_alternative<RunOperation>(step.operation);
        const auto seconds = [](Instant instant) { return std::chrono::floor<std::chrono::seconds>(instant).time_since_epoch().count(); };
        const auto content = cache::oci::content_id(
            scan.contents, is_run ? cache::oci::TimePolicy::counted_outside_run_interval : cache::oci::TimePolicy::ignored,
            {seconds(made.started), seconds(made.finished) + 1});
        auto& line = report_of(stage, planned);
        StepRecord record{keyed->key,  scan.diff_id,  content, scan.size, format_rfc3339(made.finished), line.wall_ms,
                          keyed->ingredients};
        // A forced or remade result replaces the old one: the image that is built now must be the one found next time.
        DBUILD_TRY(parts_.index->record_steps({&record, 1}, project_.scope, Index::OnConflict::replace));
        line.status = "ran";
        line.executor = parts_.executor->name();
        line.key = keyed->key.digest.to_string();
        line.layer_bytes = scan.size;
        report_.totals.bytes_written += scan.size;
        planner_.set_made(stage, origin, std::move(*keyed), std::move(record));
        return {};
    }

    /// What BuildKit copied must be what was hashed: a file changed in between must not poison the cache.
    /// Errors: transient — it was not; the next round hashes again.
    Status check_copied_bytes(const ResolvedStep& step, const cache::oci::TableOfContents& contents) {
        const auto* copy = std::get_if<CopyOperation>(&step.operation);
        if (!copy || copy->is_add || !copy->is_from_context) return {}; // ADD may have unpacked an archive
        std::vector<Digest> expected;
        for (const auto& source : copy->sources) {
            DBUILD_TRY_ASSIGN(const auto files, project_.context->files_of(source));
            for (const auto& [path, digest] : files) expected.push_back(digest);
        }
        for (const auto& file : copy->files) expected.push_back(sha256(file.body));
        std::sort(expected.begin(), expected.end());
        for (const auto& entry : contents.entries)
            if (entry.type == cache::oci::EntryType::file && !entry.is_whiteout() &&
                !std::binary_search(expected.begin(), expected.end(), entry.content))
                return fail(ErrorKind::transient, "the build context changed while it was copied: " + entry.path);
        return {};
    }

    Error failure_of(int stage, const PreparedSegment& prepared, const executors::StepFailure& failure) {
        const auto& step = planner_.planned(stage).steps[prepared.origins[failure.step]];
        auto& line = report_of(stage, step);
        line.status = "failed";
        line.executor = parts_.executor->name();
        parts_.reporter->report(progress::StepFailed{label_of(stage, step), failure.exit_code, failure.message, {}});
        const auto& instruction = *step.step->instruction;
        const auto what = failure.exit_code ? fmt::format("{} failed: exit code: {}", instruction.keyword, failure.exit_code)
                                            : fmt::format("{} failed: {}", instruction.keyword, failure.message);
        return {ErrorKind::step_failed, what, {}, instruction.where};
    }

    Status remake_lost_layers(int stage) {
        const auto& plan = planner_.planned(stage);
        if (plan.stage->base.kind == dockerfile_parser::StageReference::Kind::stage)
            DBUILD_TRY(remake_lost_layers(plan.stage->base.stage_index));
        if (plan.stage->base.kind == dockerfile_parser::StageReference::Kind::image)
            DBUILD_TRY(load_base(parts_, project_.bases.at(plan.stage->base.image)));
        for (std::size_t i = 0; i < plan.steps.size(); ++i)
            if (plan.steps[i].record && !parts_.layers->has(plan.steps[i].record->diff_id)) return run_from(stage, i);
        return {};
    }

    /// The scope remembers every step that its image is made of.
    Status use_keys() {
        std::vector<cache::StepKey> keys;
        for (const int stage : project_.graph.needed)
            for (const auto& step : planner_.planned(stage).steps)
                if (step.key && step.status == StepStatus::hit) keys.push_back(*step.key);
        return parts_.index->use_steps(keys, project_.scope);
    }

    const Parts& parts_;
    Project& project_;
    Report& report_;
    Planner planner_;
};

Status build_once(const Parts& parts, const BuildOptions& options, Report& report) {
    DBUILD_TRY_ASSIGN(auto project, load_project(parts, options));
    report.scope = project.scope;
    Round round(parts, project, report);
    Status done = round.plan_all();
    if (done) done = round.run_missing();
    if (done) done = round.export_target();
    report.totals.bytes_read += project.context->counters().bytes_read;
    if (!done) return fail(project.explained(std::move(done).error()));
    return done;
}

} // namespace

Status build(const Parts& parts, const BuildOptions& options, Report& report) {
    Status done;
    for (int attempt = 1; attempt <= k_attempts; ++attempt) {
        done = build_once(parts, options, report);
        const bool may_pass = !done && (done.error().kind == ErrorKind::corrupt || done.error().kind == ErrorKind::transient);
        if (!may_pass || attempt == k_attempts) break;
        parts.reporter->warning(done.error().message + "; trying again");
    }
    return done;
}

Status show_plan(const Parts& parts, const BuildOptions& options, const PlanPrinter& print, Report& report) {
    DBUILD_TRY_ASSIGN(auto project, load_project(parts, options));
    report.scope = project.scope;
    Round round(parts, project, report);
    Status done = round.plan_all();
    if (!done) return fail(project.explained(std::move(done).error()));
    round.note_whole_plan(print);
    report.totals.bytes_read = project.context->counters().bytes_read;
    return {};
}

} // namespace dbuild::orchestrator
