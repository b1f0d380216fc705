// SPDX-License-Identifier: Apache-2.0
// The plan: for every step of every needed stage, whether a stored result serves (hit), none does (miss), or nobody can
// know before an earlier step was run (unknown). Making it starts nothing and reads no layer.
#pragma once

#include "cache/context/context_tree.hpp"
#include "cache/step_key.hpp"
#include "orchestrator/base_images.hpp"
#include "orchestrator/cause.hpp"
#include "orchestrator/git_sources.hpp"
#include "orchestrator/parts.hpp"
#include "orchestrator/remote_files.hpp"
#include "orchestrator/stage_state.hpp"

#include <optional>
#include <set>
#include <thread>
#include <vector>

namespace dbuild::orchestrator {

/// A Dockerfile with everything that can be known about it without its steps' results.
struct Project {
    BuildOptions options;
    std::string source;                                        // text of the Dockerfile
    std::string ignore_source;                                 // text of the .dockerignore in force, perhaps empty
    std::unique_ptr<dockerfile_parser::Dockerfile> dockerfile; // steps point into it
    dockerfile_parser::StageGraph graph;
    std::map<std::string, BaseImage> bases;               // by familiar reference
    std::map<int, ResolvedStage> stages;                  // the needed ones, by index
    std::shared_ptr<cache::context::ContextTree> context; // shared with other images that are built from it at once
    std::jthread context_look_ahead;
    std::unique_ptr<RemoteFiles> remote_files;
    std::unique_ptr<GitSources> git_sources;
    std::string scope;
    std::string platform; // that the image is for: "linux/amd64"
    std::optional<Instant>
        epoch; // SOURCE_DATE_EPOCH: when all that this build adds to the image's configuration was made

    /// The error, with the excerpt of the Dockerfile where it has a place in it.
    Error explained(Error error) const;
    /// What a stage is for: what the FROM at the bottom of its ancestry says, else the image's platform.
    const std::string& platform_of(int stage) const;
    /// The image at the bottom of a stage's ancestry, or the image itself; null below scratch.
    BaseImage* base_below(const dockerfile_parser::StageReference& from);
    const BaseImage* base_below(const dockerfile_parser::StageReference& from) const;
    /// How long a result of the step may be used: what its comment directive says, else --cache-ttl for a RUN that may
    /// reach the network; nothing: for ever.
    std::optional<std::chrono::nanoseconds> time_to_live(const ResolvedStep& step) const;
};

/// Reads, parses, resolves the base images, and evaluates every needed stage.
/// Errors: usage, invalid_dockerfile, not_found, unavailable; unsupported — docker buildx has to build it.
Result<Project> load_project(const Parts& parts, BuildOptions options);

enum class StepStatus { metadata, hit, miss, unknown };

struct PlannedStep {
    const ResolvedStep* step = nullptr; // borrowed from the project
    StepStatus status = StepStatus::unknown;
    std::string reason;                // why it is no hit; empty for hits and metadata
    std::vector<Cause> causes;         // of a miss that is not forced by an option
    std::optional<cache::StepKey> key; // known unless it is metadata or unknown
    std::string ingredients;
    std::optional<cache::store::StepRecord> record; // hits
};

/// Why a step may be what it was: its key, and what went into it as readable lines.
struct KeyedStep {
    cache::StepKey key;
    std::string ingredients;
};

struct PlannedStage {
    const ResolvedStage* stage = nullptr;
    /// Steps from this one on run whatever caches hold, and so does what stands on the stage (docs/cache_key.md,
    /// "Forced runs").
    std::size_t forced_from = k_not_forced;
    std::string forced_because;      // "--no-cache", ...
    std::vector<Digest> base_layers; // diff_ids below the stage's first step
    std::vector<PlannedStep> steps;
    std::optional<cache::Chain> final_chain; // known when nothing is missing

    static constexpr std::size_t k_not_forced = SIZE_MAX;
    bool is_forced(std::size_t step) const { return step >= forced_from; }
    bool is_complete() const { return final_chain.has_value(); }
    /// All diff_ids; the stage must be complete.
    std::vector<Digest> layers() const;
    /// The layer that a step's own one stands on; zeros: none, or it is not made yet.
    Digest layer_below(std::size_t step) const;
};

class KeyMaker;
class StepHistory;

class Planner {
public:
    Planner(const Parts& parts, Project& project);
    ~Planner();

    /// Plans one stage; the stages that it needs were planned before. Planning again replaces the old plan.
    Result<const PlannedStage*> plan_stage(int index);
    const PlannedStage& planned(int index) const { return plans_.at(index); }

    /// The chain before a step all of whose predecessors have records. Errors: internal — its base stage is incomplete.
    Result<cache::Chain> chain_before(int stage, std::size_t step) const;

    /// Key and ingredients of a layer-making step as it is now; nothing when a stage that it reads from is incomplete.
    /// Errors: not_found — a source that does not exist, with `where`.
    Result<std::optional<KeyedStep>> key_of(int stage, std::size_t step, const cache::Chain& before);

    /// As KeyMaker::cache_writers.
    Result<std::string> cache_writers(int stage, std::size_t step, std::size_t segment_start) const;

    /// Records that a step was made, so that the stage goes on from there.
    void set_made(int stage, std::size_t step, KeyedStep keyed, cache::store::StepRecord record);
    void set_complete(int stage, const cache::Chain& chain);

    /// After a build: keeps what its steps were made from, to say later what changed. Errors: unavailable, no_space.
    Status remember_steps();
    /// diff_ids of the steps that were made since they were planned.
    std::set<Digest> made_layers() const;

private:
    std::optional<cache::Chain> initial_chain(const ResolvedStage& stage) const;
    StepHistory& history();
    Result<PlannedStep> plan_step(PlannedStage& plan, std::size_t step, const cache::Chain& before);
    void force_as_asked(PlannedStage& plan) const;

    const Parts& parts_;
    Project& project_;
    std::map<int, PlannedStage> plans_;
    std::unique_ptr<KeyMaker> keys_;
    std::unique_ptr<StepHistory> history_; // read when first needed
};

} // namespace dbuild::orchestrator
