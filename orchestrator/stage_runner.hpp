// SPDX-License-Identifier: Apache-2.0
// Runs what one stage lacks: segment after segment through the executor, and records every layer before the next
// begins. Stages run side by side; what they share is guarded by one mutex, which is free while an executor or the
// store works.
#pragma once

#include "cache/store/claim.hpp"
#include "orchestrator/plan.hpp"
#include "orchestrator/segment.hpp"
#include "orchestrator/step_reports.hpp"

#include <map>
#include <mutex>
#include <optional>

namespace dbuild::orchestrator {

/// What the stages of a build share. All borrowed; everything but `mutex` and `is_cancelled` is guarded by `mutex`.
struct SharedRun {
    const Parts& parts;
    Project& project;
    Planner& planner;
    Report& report;
    StepReports& steps;
    std::mutex mutex;
    CancelCheck is_cancelled; // by the user, or because another stage failed; callable from any thread
};

using SharedLock = std::unique_lock<std::mutex>; // holds SharedRun::mutex

class StageRunner {
public:
    /// Whether the caller's thread holds a claim on a step: then the runner waits for nobody who holds another. It
    /// could be itself: two stages may have a step in common, of which one reads from the other.
    enum class Claims { none_held, one_held };
    StageRunner(SharedRun& shared, int stage, Claims claims = Claims::none_held)
        : shared_(shared), stage_(stage), claims_(claims) {}

    /// Runs the stage from its first step without a result on, after which its plan is complete.
    /// In:      lock — held, also on return; free while an executor or the store works.
    /// Errors:  step_failed, with `where`; interrupted; transient or corrupt — a new plan may succeed; unsupported.
    Status run_missing(SharedLock& lock);

    /// Makes the layers again that a complete plan of the stage and of its base stages names and the store has lost.
    Status remake_lost_layers(SharedLock& lock);

private:
    Status run_from(std::size_t first, SharedLock& lock);
    /// Who makes a step's layer.
    enum class Maker { in_process, runtime, buildx };
    Maker maker_of(const ResolvedStep& step) const;
    std::size_t end_of_segment(std::size_t first);
    struct Claimed {
        cache::store::Claim claim;
        bool is_of_others; // who have run it: look it up again
    };
    Result<std::optional<Claimed>> claim(std::size_t first, SharedLock& lock);
    Status run_planned_again(std::size_t first, SharedLock& lock);
    Result<std::size_t> run_segment(std::size_t first, std::size_t limit, SharedLock& lock);
    Status make_in_process(std::size_t index, SharedLock& lock);
    Status remake_layers_of(const std::vector<dockerfile_parser::StageReference>& sources, SharedLock& lock);
    Result<executors::SegmentResult> execute(const PreparedSegment& prepared, executors::Executor& executor,
                                             SharedLock& lock);
    Status load_images_below(std::size_t first);
    executors::SegmentObserver observe(const PreparedSegment& prepared);
    Status verify_context(const ResolvedStep& step);
    Status record(const PreparedSegment& prepared, const executors::SegmentResult& result, std::string_view executor,
                  SharedLock& lock);
    Status record_step(std::size_t index, const executors::MadeLayer& made, std::string_view executor,
                       SharedLock& lock);
    Status check_copied_bytes(const ResolvedStep& step, const cache::oci::TableOfContents& contents);
    Error failure_of(std::size_t index, std::string_view executor, int exit_code, const std::string& message);
    Status finish(std::size_t end);

    const PlannedStage& plan() const { return shared_.planner.planned(stage_); }

    SharedRun& shared_;
    int stage_;
    Claims claims_;
    std::map<std::size_t, Status>
        verified_; // of the segment that runs: by step, whether the context was still what was hashed
};

} // namespace dbuild::orchestrator
