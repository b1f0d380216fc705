// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/stage_runner.hpp"

#include "cache/remote/remotes.hpp"
#include "cache/step_content.hpp"
#include "orchestrator/in_process_steps.hpp"
#include "orchestrator/reproduction.hpp"
#include "orchestrator/runtime_steps.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace dbuild::orchestrator {
namespace {

using cache::store::Claim;
using cache::store::Index;
using cache::store::StepRecord;
using dockerfile_parser::StageReference;

/// Frees a lock for a while, whatever happens.
class Unlocked {
public:
    explicit Unlocked(SharedLock& lock) : lock_(lock) { lock_.unlock(); }
    ~Unlocked() { lock_.lock(); }
    Unlocked(const Unlocked&) = delete;
    Unlocked& operator=(const Unlocked&) = delete;

private:
    SharedLock& lock_;
};

/// Why a step runs: a hit among those that do stands on a layer that is lost, or its own is.
std::string reason_of(const PlannedStep& planned) {
    return planned.status == StepStatus::hit ? "a layer is no longer in the cache" : planned.reason;
}

/// Of a step whose layer was lost and made again: what was made upon the old one is found upon the new one. The same
/// layer may come from the engine's cache: then the times of the first run are its times.
void remain_in_chain(StepRecord& record, const StepRecord& before) {
    if (record.diff_id == before.diff_id) {
        record.content_id = before.content_id;
        record.created = before.created;
        record.wall_ms = before.wall_ms;
    }
    if (record.content_id != before.chain_link()) record.link = before.chain_link();
}

} // namespace

Status StageRunner::run_missing(SharedLock& lock) {
    const auto& steps = plan().steps;
    const auto first = std::find_if(steps.begin(), steps.end(), [](const PlannedStep& step) {
        return step.status == StepStatus::miss || step.status == StepStatus::unknown;
    });
    return run_from(static_cast<std::size_t>(first - steps.begin()), lock);
}

Status StageRunner::remake_lost_layers(SharedLock& lock) {
    const auto& base = plan().stage->base;
    if (base.kind == StageReference::Kind::stage)
        DBUILD_TRY(StageRunner(shared_, base.stage_index, claims_).remake_lost_layers(lock));
    if (base.kind == StageReference::Kind::image)
        DBUILD_TRY(load_base(shared_.parts, shared_.project.bases.at(base.image)));
    const auto& steps = plan().steps;
    for (std::size_t i = 0; i < steps.size(); ++i)
        if (steps[i].record && !shared_.parts.layers->has(steps[i].record->diff_id)) return run_from(i, lock);
    return {};
}

/// One segment, or more where one cannot express it. A lost layer below is where the stage has to start again.
Status StageRunner::run_from(std::size_t first, SharedLock& lock) {
    const auto& steps = plan().steps;
    for (std::size_t i = 0; i < first; ++i)
        if (steps[i].record && !shared_.parts.layers->has(steps[i].record->diff_id)) first = i;
    DBUILD_TRY(load_images_below(first));
    while (first < steps.size()) {
        if (shared_.is_cancelled()) return fail(ErrorKind::interrupted, "interrupted");
        DBUILD_TRY_ASSIGN(auto claimed, claim(first, lock));
        if (claimed && claimed->is_of_others) {
            claimed.reset();
            return run_planned_again(first, lock);
        }
        const auto end = end_of_segment(first);
        if (end > first) {
            DBUILD_TRY_ASSIGN(first, run_segment(first, end, lock));
        } else {
            DBUILD_TRY(make_in_process(first, lock));
            DBUILD_TRY(finish(++first));
        }
    }
    return {};
}

StageRunner::Maker StageRunner::maker_of(const ResolvedStep& step) const {
    if (can_make_in_process(step)) return Maker::in_process;
    const bool is_run = std::holds_alternative<RunOperation>(step.operation);
    const bool runs_here =
        is_run && shared_.parts.usable_runtime() && !needs_buildx(step, shared_.project.platform_of(stage_));
    return runs_here ? Maker::runtime : Maker::buildx;
}

/// What dbuild can make itself goes to buildx only between two steps that must go there, where no runtime takes turns
/// with it. What the runtime runs is recorded before the next step starts.
/// Out: the step after the last one that must; `first` when the next one is made in process.
std::size_t StageRunner::end_of_segment(std::size_t first) {
    const auto& steps = plan().steps;
    std::size_t end = first;
    bool needs_executor = false;
    for (std::size_t i = first; i < steps.size(); ++i) {
        if (!steps[i].step->makes_layer()) {
            if (!needs_executor) end = i + 1;
            continue;
        }
        const auto maker = maker_of(*steps[i].step);
        if (maker == Maker::runtime) return needs_executor ? end : i + 1;
        if (maker == Maker::in_process) {
            const bool is_alone =
                !needs_executor || shared_.parts.usable_runtime() || must_make_in_process(*steps[i].step);
            if (is_alone) return needs_executor ? end : i;
            continue;
        }
        needs_executor = true;
        end = i + 1;
    }
    return end;
}

/// The images that the stage stands on, or that its steps from `first` on read from.
Status StageRunner::load_images_below(std::size_t first) {
    const auto& stage = plan();
    std::vector<StageReference> sources;
    bool runs_here = false;
    for (std::size_t i = first; i < stage.steps.size(); ++i) {
        for (auto& source : stage.steps[i].step->sources()) sources.push_back(std::move(source));
        runs_here = runs_here || maker_of(*stage.steps[i].step) == Maker::runtime;
    }
    auto* runtime = runs_here ? shared_.parts.runtime : nullptr;
    if (auto* image = shared_.project.base_below(stage.stage->base))
        DBUILD_TRY(load_base(shared_.parts, *image, runtime));
    for (const auto& source : sources)
        if (auto* image = shared_.project.base_below(source)) DBUILD_TRY(load_base(shared_.parts, *image));
    return {};
}

/// Of several builds that are about to run the same step, one runs it. Nothing where it has to run whatever the others
/// do, or where no claim can be had: then it may run twice.
Result<std::optional<StageRunner::Claimed>> StageRunner::claim(std::size_t first, SharedLock& lock) {
    const auto& steps = plan().steps;
    while (first < steps.size() && !steps[first].step->makes_layer()) ++first;
    if (first == steps.size() || plan().is_forced(first)) return std::nullopt;
    DBUILD_TRY_ASSIGN(const auto before, shared_.planner.chain_before(stage_, first));
    DBUILD_TRY_ASSIGN(const auto keyed, shared_.planner.key_of(stage_, first, before));
    if (!keyed) return std::nullopt;
    const auto label = shared_.steps.label(*plan().stage, *steps[first].step);
    const auto& root = shared_.parts.layers->root();
    const auto on_wait = [&] { // of another image of this bake one sees it run
        if (Claim::is_held_here(root, keyed->key.digest)) return;
        shared_.parts.reporter->note(label.to_string() + " another build runs this step; waiting for it");
    };
    const bool is_remade = steps[first].record.has_value(); // its layer was lost
    const auto claim_or_wait = [&]() -> Result<std::optional<Claim>> {
        if (claims_ == Claims::one_held) return Claim::try_acquire(root, keyed->key.digest);
        const Unlocked unlocked(lock);
        return Claim::acquire(root, keyed->key.digest, on_wait, shared_.is_cancelled);
    };
    auto claimed = claim_or_wait();
    if (!claimed && claimed.error().kind == ErrorKind::interrupted) return fail(std::move(claimed).error());
    if (!claimed || !*claimed) return std::nullopt;
    bool is_of_others = (*claimed)->had_to_wait();
    if (!is_of_others && !is_remade) { // somebody may have finished it after it was planned and before it was claimed
        DBUILD_TRY_ASSIGN(const auto record, shared_.parts.index->find_step(keyed->key));
        is_of_others = record.has_value();
    }
    return Claimed{std::move(**claimed), is_of_others};
}

/// After another build has run what this one was about to: its results are hits now, unless it failed.
Status StageRunner::run_planned_again(std::size_t first, SharedLock& lock) {
    DBUILD_TRY_ASSIGN(const auto* again, shared_.planner.plan_stage(stage_));
    shared_.steps.note_plan(*again, first, *shared_.parts.reporter);
    return again->is_complete() ? remake_lost_layers(lock) : run_missing(lock);
}

/// Returns the step after the segment.
Result<std::size_t> StageRunner::run_segment(std::size_t first, std::size_t limit, SharedLock& lock) {
    DBUILD_TRY_ASSIGN(auto prepared,
                      make_segment(shared_.parts, shared_.project, shared_.planner, stage_, first, limit));
    if (!prepared.segment.steps.empty()) {
        auto* executor = prepared.segment.is_of_commands() ? shared_.parts.runtime : shared_.parts.executor;
        const auto execute_prepared = [&] {
            auto result = execute(prepared, *executor, lock);
            if (result || result.error().kind != ErrorKind::unsupported || executor == shared_.parts.executor)
                return result;
            shared_.parts.reporter->warning("the runtime cannot run this: " + result.error().message +
                                            "; docker buildx does");
            executor = shared_.parts.executor;
            return execute(prepared, *executor, lock);
        };
        auto result = execute_prepared();
        if (!result &&
            result.error().kind == ErrorKind::not_found) { // a layer of another stage, which the builder lost too
            std::vector<StageReference> sources = prepared.sources;
            sources.push_back(plan().stage->base);
            DBUILD_TRY(remake_layers_of(sources, lock));
            DBUILD_TRY_ASSIGN(prepared, // which may be other layers now
                              make_segment(shared_.parts, shared_.project, shared_.planner, stage_, first, limit));
            result = execute_prepared();
        }
        if (result && result->needs_engine_cache_ignored) {
            shared_.parts.reporter->warning("the engine answered from its cache with layers that stand on others or "
                                            "are broken; running the steps again");
            DBUILD_TRY_ASSIGN(prepared, make_segment(shared_.parts, shared_.project, shared_.planner, stage_, first,
                                                     limit, EngineCache::ignored));
            result = execute_prepared();
            if (result && result->needs_engine_cache_ignored)
                return fail(ErrorKind::internal, "the engine made other layers than these steps make");
        }
        if (!result) return fail(std::move(result).error());
        DBUILD_TRY(record(prepared, *result, executor->name(), lock));
        if (const auto& failure = result->failure)
            return fail(
                failure_of(prepared.origins[failure->step], executor->name(), failure->exit_code, failure->message));
        if (result->was_cancelled) return fail(ErrorKind::interrupted, "interrupted");
    }
    DBUILD_TRY(finish(prepared.end));
    return prepared.end;
}

Status StageRunner::remake_layers_of(const std::vector<StageReference>& sources, SharedLock& lock) {
    for (const auto& source : sources)
        if (source.kind == StageReference::Kind::stage)
            DBUILD_TRY(StageRunner(shared_, source.stage_index, Claims::one_held).remake_lost_layers(lock));
    return {};
}

Status StageRunner::make_in_process(std::size_t index, SharedLock& lock) {
    const auto& planned = plan().steps[index];
    const auto label = shared_.steps.label(*plan().stage, *planned.step);
    shared_.parts.reporter->report(progress::StepStarted{label, reason_of(planned)});
    DBUILD_TRY_ASSIGN(const auto folder, TempDir::create("dbuild-layer"));
    const auto path = folder.path() / "layer.tar";
    const auto make = [&]() -> Result<executors::MadeLayer> {
        DBUILD_TRY_ASSIGN(auto step,
                          InProcessStep::prepare(shared_.parts, shared_.project, shared_.planner, stage_, index));
        const Unlocked unlocked(lock);
        return step.run([&](const Digest& blob,
                            const cache::oci::ByteSink& sink) { return shared_.parts.layers->read(blob, sink); },
                        path);
    };
    auto made = make();
    if (!made && made.error().kind == ErrorKind::not_found &&
        !made.error().where) { // a layer that is read from is lost
        auto sources = planned.step->sources();
        sources.push_back(plan().stage->base);
        DBUILD_TRY(remake_layers_of(sources, lock));
        made = make();
    }
    if (!made && made.error().kind == ErrorKind::step_failed)
        return fail(failure_of(index, k_in_process, 0, made.error().message));
    if (!made) return fail(std::move(made).error());
    DBUILD_TRY(record_step(index, *made, k_in_process, lock));
    shared_.parts.reporter->report(progress::StepFinished{label, made->finished - made->started, false});
    return {};
}

Result<executors::SegmentResult> StageRunner::execute(const PreparedSegment& prepared, executors::Executor& executor,
                                                      SharedLock& lock) {
    ++shared_.report.totals.executor_calls;
    verified_.clear();
    const auto observer = observe(prepared);
    const Unlocked unlocked(lock);
    return executor.run(
        prepared.segment, observer,
        [&](const Digest& blob, const cache::oci::ByteSink& sink) { return shared_.parts.layers->read(blob, sink); },
        shared_.is_cancelled);
}

Status StageRunner::finish(std::size_t end) {
    if (end < plan().steps.size()) return {};
    DBUILD_TRY_ASSIGN(const auto chain, shared_.planner.chain_before(stage_, end));
    shared_.planner.set_complete(stage_, chain);
    return {};
}

/// The observer is called without the lock, so it knows everything beforehand.
executors::SegmentObserver StageRunner::observe(const PreparedSegment& prepared) {
    struct Line {
        progress::StepLabel label;
        std::string reason;
    };
    const auto lines = std::make_shared<std::vector<Line>>();
    for (const auto origin : prepared.origins) {
        const auto& planned = plan().steps[origin];
        lines->push_back({shared_.steps.label(*plan().stage, *planned.step), reason_of(planned)});
    }
    executors::SegmentObserver observer;
    auto* reporter = shared_.parts.reporter;
    observer.on_started = [=, this, &prepared](std::size_t i) {
        reporter->report(progress::StepStarted{lines->at(i).label, lines->at(i).reason});
        const std::lock_guard lock(shared_.mutex);
        const auto origin = prepared.origins[i];
        verified_[origin] = verify_context(*plan().steps[origin].step);
    };
    observer.on_output = [=](std::size_t i, std::string_view bytes) {
        reporter->report(progress::StepOutput{lines->at(i).label, bytes});
    };
    observer.on_finished = [=](std::size_t i, std::chrono::duration<double> wall, bool is_cached) {
        reporter->report(progress::StepFinished{lines->at(i).label, wall, is_cached});
    };
    observer.on_note = [=](std::string text) { reporter->warning(std::move(text)); };
    observer.on_process_started = [this] {
        const std::lock_guard lock(shared_.mutex);
        ++shared_.report.totals.processes_started;
    };
    return observer;
}

/// Stores what a segment made, step by step: layer first, row last. Then the records take their places in the plan.
Status StageRunner::record(const PreparedSegment& prepared, const executors::SegmentResult& result,
                           std::string_view executor, SharedLock& lock) {
    std::size_t k = 0;
    for (std::size_t i = 0; i < prepared.segment.steps.size() && k < result.layers.size(); ++i) {
        if (!prepared.segment.steps[i].makes_layer) continue;
        const auto origin = prepared.origins[i];
        const auto verified = verified_.find(origin); // absent: nobody said when it started
        DBUILD_TRY(verified != verified_.end() ? verified->second : verify_context(*plan().steps[origin].step));
        DBUILD_TRY(record_step(origin, result.layers[k++], executor, lock));
    }
    return {};
}

/// Whether what the executor took from the context can only be what was hashed. Called when the step starts, because
/// the executor has its own copy by then: edits during a long RUN do no harm. Errors: transient — something changed;
/// the next plan hashes again.
Status StageRunner::verify_context(const ResolvedStep& step) {
    for (const auto& source : step.context_sources()) DBUILD_TRY(shared_.project.context->verify_unchanged(source));
    return {};
}

Status StageRunner::record_step(std::size_t index, const executors::MadeLayer& made, std::string_view executor,
                                SharedLock& lock) {
    const auto& planned = plan().steps[index];
    const auto& step = *planned.step;
    DBUILD_TRY_ASSIGN(const auto before, shared_.planner.chain_before(stage_, index));
    DBUILD_TRY_ASSIGN(auto keyed, shared_.planner.key_of(stage_, index, before));
    if (!keyed) return fail(ErrorKind::internal, "a step was run before the stage that it reads from");
    const auto put = [&]() -> Result<cache::oci::LayerScan> {
        const Unlocked unlocked(lock);
        if (!made.scan) return shared_.parts.layers->put_file(made.blob, made.diff_id);
        DBUILD_TRY(shared_.parts.layers->put_written(made.blob, made.diff_id));
        return *made.scan;
    };
    DBUILD_TRY_ASSIGN(const auto scan, put());
    if (executor != k_in_process) DBUILD_TRY(check_copied_bytes(step, scan.contents)); // which checked while it copied
    DBUILD_TRY(shared_.parts.index->record_layer(scan.diff_id, {scan.size, executor == k_in_process}, scan.contents));
    const double wall_ms = std::chrono::duration<double, std::milli>(made.finished - made.started).count();
    StepRecord record{keyed->key,
                      scan.diff_id,
                      cache::content_id_of_step(keyed->ingredients, scan.contents, made.started, made.finished),
                      scan.size,
                      format_rfc3339(made.finished),
                      wall_ms,
                      keyed->ingredients,
                      plan().layer_below(index)};
    if (planned.status == StepStatus::hit) remain_in_chain(record, *planned.record);
    // A forced or remade result replaces the old one: the image that is built now must be the one found next time.
    DBUILD_TRY(shared_.parts.index->record_steps({&record, 1}, shared_.project.scope, Index::OnConflict::replace));
    if (auto* remotes = shared_.parts.remotes)
        remotes->publisher().note_made(keyed->key.digest, plan().is_forced(index) || planned.record.has_value());
    auto& line = shared_.steps.of(*plan().stage, step);
    line.status = executor == k_in_process ? "made" : "ran";
    line.reason = reason_of(planned);
    line.executor = executor;
    line.key = keyed->key.digest.to_string();
    line.layer_bytes = scan.size;
    line.wall_ms = wall_ms;
    shared_.report.totals.bytes_written += scan.size;
    shared_.planner.set_made(stage_, index, std::move(*keyed), std::move(record));
    return {};
}

/// What BuildKit copied must be what was hashed, also where it takes a changed file for an unchanged one.
/// Errors: transient — it was not; the next plan hashes again.
Status StageRunner::check_copied_bytes(const ResolvedStep& step, const cache::oci::TableOfContents& contents) {
    const auto* copy = std::get_if<CopyOperation>(&step.operation);
    if (!copy || copy->is_add || copy->from) return {}; // ADD may have unpacked an archive
    std::vector<Digest> expected;
    for (const auto& source : copy->sources) {
        DBUILD_TRY_ASSIGN(const auto files, shared_.project.context->files_of(source));
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

Error StageRunner::failure_of(std::size_t index, std::string_view executor, int exit_code, const std::string& message) {
    const auto& step = *plan().steps[index].step;
    auto& line = shared_.steps.of(*plan().stage, step);
    line.status = "failed";
    line.executor = executor;
    shared_.parts.reporter->report(progress::StepFailed{shared_.steps.label(*plan().stage, step), exit_code, message,
                                                        reproduction(shared_.project, step)});
    const auto& instruction = *step.instruction;
    const auto what = exit_code ? fmt::format("{} failed: exit code: {}", instruction.keyword, exit_code)
                                : fmt::format("{} failed: {}", instruction.keyword, message);
    return {ErrorKind::step_failed, what, {}, instruction.where};
}

} // namespace dbuild::orchestrator
