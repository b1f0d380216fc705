// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/build.hpp"

#include "cache/oci/reference.hpp"
#include "cache/remote/remotes.hpp"
#include "orchestrator/assemble.hpp"
#include "orchestrator/exporters/image_exporter.hpp"
#include "orchestrator/kept_image.hpp"
#include "orchestrator/stage_runner.hpp"
#include "support/platform.hpp"

#include <fmt/format.h>

#include <atomic>
#include <condition_variable>
#include <set>
#include <thread>

namespace dbuild::orchestrator {
namespace {

using dockerfile_parser::StageReference;

constexpr int k_attempts = 3; // a damaged layer or a file changed under our hands costs another round, not the build

/// One round over a project: plan, run what is missing with independent stages side by side, export.
class Round {
public:
    Round(const Parts& parts, Project& project, Report& report)
        : parts_(parts), project_(project), report_(report), planner_(parts, project), steps_(project, report) {
        shared_.is_cancelled = [this] { return has_failed_ || (parts_.cancelled && *parts_.cancelled); };
    }

    Status plan_all() {
        for (const int stage : project_.graph.needed) DBUILD_TRY(planner_.plan_stage(stage));
        static_cast<void>(
            project_.context->save_stat_cache()); // costs time only, and the index says if the folder is no good
        return {};
    }

    /// Starts each stage as soon as those that it reads from are complete. The first failure ends the others, which
    /// keep what they finished.
    Status run_missing() {
        std::condition_variable stage_ended;
        std::set<int> started, complete;
        std::size_t running = 0;
        std::vector<std::jthread> threads;
        SharedLock lock(shared_.mutex);
        const auto is_ready = [&](int stage) {
            if (started.contains(stage)) return false;
            const auto reads = project_.graph.stages[static_cast<std::size_t>(stage)].read_stages();
            return std::all_of(reads.begin(), reads.end(), [&](int other) { return complete.contains(other); });
        };
        const auto run = [&](int stage) {
            SharedLock own_lock(shared_.mutex);
            Status done = StageRunner(shared_, stage).run_missing(own_lock);
            if (done)
                complete.insert(stage);
            else
                note_failure(std::move(done).error());
            --running;
            stage_ended.notify_one();
        };
        const auto start_ready_stages = [&]() -> Status {
            for (const int stage : project_.graph.needed) { // dependencies first, so one pass finds all hits
                if (!is_ready(stage)) continue;
                started.insert(stage);
                if (!planner_.planned(stage).is_complete()) DBUILD_TRY(planner_.plan_stage(stage)); // it knows more now
                const auto& plan = planner_.planned(stage);
                steps_.note_plan(plan, 0, *parts_.reporter);
                if (plan.is_complete()) {
                    complete.insert(stage);
                } else {
                    ++running;
                    threads.emplace_back(run, stage);
                }
            }
            return {};
        };
        for (;;) {
            if (!failure_)
                if (Status done = start_ready_stages(); !done) note_failure(std::move(done).error());
            if (running == 0) break;
            stage_ended.wait(lock);
        }
        lock.unlock();
        threads.clear(); // joins
        if (failure_) return fail(std::move(*failure_));
        return {};
    }

    /// Assembles the target and brings it where it was asked for; a layer that neither that place nor the store has is
    /// made again first.
    Result<AssembledImage> export_target() {
        const int target = project_.graph.target;
        if (project_.options.keeps_layers) {
            SharedLock lock(shared_.mutex);
            DBUILD_TRY(StageRunner(shared_, target).remake_lost_layers(lock));
        }
        DBUILD_TRY(load_base_below(target));
        std::optional<cache::store::Index::ReadTransaction> assembly(*parts_.index);
        DBUILD_TRY_ASSIGN(auto image, assemble(parts_, project_, planner_, target));
        assembly.reset();
        if (!parts_.contexts) parts_.layers->begin_flush(); // of a bake file, other targets may have layers to put
        const auto* base = project_.base_below(StageReference::to_stage(target));
        const auto base_name = base && !base->is_of_bake ? base->reference : std::string();
        auto exported = exporters::export_image(parts_, image, project_.options, base_name);
        if (!exported && exported.error().kind == ErrorKind::not_found) {
            SharedLock lock(shared_.mutex);
            DBUILD_TRY(StageRunner(shared_, target).remake_lost_layers(lock));
            DBUILD_TRY_ASSIGN(image, assemble(parts_, project_, planner_, target));
            exported = exporters::export_image(parts_, image, project_.options, base_name);
        }
        if (!exported) return fail(std::move(exported).error());
        std::uint64_t bytes = 0;
        for (const auto& layer : image.root.layers) bytes += layer.size;
        report_.images = {{exported->id, exported->manifest_digest.to_string(), exported->tags, bytes,
                           exported->config_digest.to_string(), exported->manifest_bytes, exported->media_type}};
        if (project_.platform == native_platform()) keep(image, *exported);
        DBUILD_TRY(use_keys());
        return image;
    }

    void remember_steps() { static_cast<void>(planner_.remember_steps()); } // costs explanations only

    void note_whole_plan(const PlanPrinter& print) {
        for (const int index : project_.graph.needed) {
            const auto& plan = planner_.planned(index);
            for (const auto& step : plan.steps) {
                auto& line = steps_.of(*plan.stage, *step.step);
                static constexpr std::string_view names[] = {"metadata", "hit", "miss", "unknown"};
                const std::string_view name = names[static_cast<std::size_t>(step.status)];
                line.status =
                    step.status == StepStatus::hit || step.status == StepStatus::metadata ? name : "not_reached";
                line.reason = step.reason;
                if (step.key) line.key = step.key->digest.to_string();
                print(fmt::format("{} {}: {}{}", steps_.label(*plan.stage, *step.step).to_string(),
                                  step.step->instruction->text, name,
                                  step.reason.empty() ? "" : " (" + step.reason + ")"));
            }
        }
    }

private:
    /// For those who ask for the scope's last image; it costs them only if it cannot be kept.
    void keep(const AssembledImage& image, const exporters::ExportedImage& exported) {
        KeptImage kept{project_.scope, exported.tags, image.config_json, image.manifest_json};
        if (kept.tags.empty()) kept.tags = project_.options.tags;
        if (const auto done = keep_image(parts_.cache_folder, kept); !done)
            parts_.reporter->warning("cache: " + done.error().message);
    }

    /// Only the first failure counts: those after it come from ending the others.
    void note_failure(Error error) {
        if (!failure_) failure_ = std::move(error);
        has_failed_ = true;
    }

    /// The manifest needs the descriptors of the base's layers, which may be known without the layers.
    Status load_base_below(int stage) {
        auto* base = project_.base_below(StageReference::to_stage(stage));
        if (!base) return {};
        if (base->is_of_bake) return {};
        if (!base->layers.empty()) return parts_.index->record_pin(base->reference, base->id);
        return load_base(parts_, *base);
    }

    /// The scope remembers every step that its image is made of.
    Status use_keys() {
        std::vector<cache::StepKey> keys;
        for (const int stage : project_.graph.needed)
            for (const auto& step : planner_.planned(stage).steps)
                if (step.key && step.status == StepStatus::hit) keys.push_back(*step.key);
        if (parts_.remotes) publish(keys);
        return parts_.index->use_steps(keys, project_.scope);
    }

    /// Those that were made are known there already.
    void publish(const std::vector<cache::StepKey>& keys) {
        std::vector<Digest> digests;
        for (const auto& key : keys) digests.push_back(key.digest);
        auto& publisher = parts_.remotes->publisher();
        publisher.note_used(digests);
        for (const auto& [reference, base] : project_.bases) publisher.note_base(base.id);
    }

    const Parts& parts_;
    Project& project_;
    Report& report_;
    Planner planner_;
    StepReports steps_;
    SharedRun shared_{parts_, project_, planner_, report_, steps_, {}, {}};
    std::atomic<bool> has_failed_ = false;
    std::optional<Error> failure_; // guarded by shared_.mutex
};

/// The exporter will ask for it; meanwhile there is a plan to make.
void prefetch_named_image(const Parts& parts, const BuildOptions& options) {
    if (options.tags.empty()) return;
    if (const auto name = cache::oci::ImageReference::parse(options.tags.front()))
        parts.engine->prefetch_image(name->familiar());
}

Result<AssembledImage> build_once(const Parts& parts, const BuildOptions& options, Report& report) {
    prefetch_named_image(parts, options);
    std::optional<cache::store::Index::ReadTransaction> planning(*parts.index);
    DBUILD_TRY_ASSIGN(auto project, load_project(parts, options));
    report.scope = project.scope;
    Round round(parts, project, report);
    Status done = round.plan_all();
    planning.reset();
    if (done) done = round.run_missing();
    Result<AssembledImage> made;
    if (done) made = round.export_target();
    if (done && !made) done = fail(made.error());
    if (done) round.remember_steps();
    if (!parts.contexts)
        report.totals.bytes_read += project.context->counters().bytes_read; // else they are everybody's
    report.totals.processes_started += project.git_sources->processes_started();
    if (!done) return fail(project.explained(std::move(done).error()));
    return made;
}

/// Again where something passed. In: options — of one platform.
Result<AssembledImage> build_image_of_platform(const Parts& parts, const BuildOptions& options, Report& report) {
    Result<AssembledImage> done;
    auto attempt_parts = parts;
    for (int attempt = 1; attempt <= k_attempts; ++attempt) {
        const auto lost_before = parts.remotes ? parts.remotes->lost_layers() : 0;
        done = build_once(attempt_parts, options, report);
        attempt_parts.contexts = nullptr; // what somebody has seen of a context before may be why it failed
        const bool has_lost_more = parts.remotes && parts.remotes->lost_layers() != lost_before;
        const auto kind = done ? ErrorKind::internal : done.error().kind;
        const bool may_pass = kind == ErrorKind::corrupt || kind == ErrorKind::transient ||
                              (kind == ErrorKind::not_found && has_lost_more);
        if (!may_pass || attempt == k_attempts) break;
        if (!parts.index->was_damaged()) // else its own warning is enough
            parts.reporter->warning(done.error().message + "; trying again");
    }
    if (!done && done.error().kind == ErrorKind::transient)
        done.error().kind = ErrorKind::unsupported; // docker takes it as it is
    return done;
}

/// Options of one of the platforms, whose image goes nowhere by itself.
BuildOptions options_of_platform(const BuildOptions& options, const std::string& platform) {
    auto own = options;
    own.platforms = {platform};
    own.outputs.assign(1, exporters::Output());
    own.outputs.front().kind = exporters::Output::Kind::nothing;
    own.keeps_layers = true;
    return own;
}

/// Adds what one of the platforms took.
void add(const Report& own, Report& report) {
    report.scope = own.scope;
    report.totals += own.totals;
    report.steps.insert(report.steps.end(), own.steps.begin(), own.steps.end());
}

/// One platform after the other: what they share is made for the first, and the steps of each run beside one another.
Result<std::vector<AssembledImage>> build_platforms(const Parts& parts, const BuildOptions& options, Report& report) {
    for (const auto& platform : options.platforms) // before anything is run: docker buildx may have to build all of it
        DBUILD_TRY(load_project(parts, options_of_platform(options, platform)));
    std::vector<AssembledImage> images;
    std::uint64_t bytes = 0;
    for (const auto& platform : options.platforms) {
        Report own;
        auto image = build_image_of_platform(parts, options_of_platform(options, platform), own);
        add(own, report);
        if (!image) return fail(std::move(image).error());
        bytes += own.images.front().bytes;
        images.push_back(std::move(*image));
    }
    DBUILD_TRY_ASSIGN(const auto exported, exporters::export_index(parts, images, options));
    if (!exported.id.empty())
        report.images = {{exported.id, exported.manifest_digest.to_string(), exported.tags, bytes, "",
                          exported.manifest_bytes, exported.media_type}};
    return images;
}

BaseImage base_of(AssembledImage image) {
    BaseImage made{"", image.manifest_digest.to_string(), std::move(image.config), {}, false, true};
    for (const auto& layer : image.root.layers) made.layers.push_back(layer.descriptor);
    return made;
}

} // namespace

Result<BaseImage> build(const Parts& parts, const BuildOptions& options, Report& report) {
    if (options.platforms.size() > 1) {
        DBUILD_TRY_ASSIGN(auto images, build_platforms(parts, options, report));
        return base_of(std::move(images.front()));
    }
    DBUILD_TRY_ASSIGN(auto image, build_image_of_platform(parts, options, report));
    return base_of(std::move(image));
}

Status show_plan(const Parts& parts, const BuildOptions& options, const PlanPrinter& print, Report& report) {
    if (options.platforms.size() > 1) {
        for (const auto& platform : options.platforms) {
            Report own;
            print(platform + ":");
            DBUILD_TRY(show_plan(parts, options_of_platform(options, platform), print, own));
            add(own, report);
        }
        return {};
    }
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
