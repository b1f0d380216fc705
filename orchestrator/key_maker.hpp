// SPDX-License-Identifier: Apache-2.0
// What goes into the key of each kind of step, read from the evaluated step, the build context, the plans of other
// stages and the tables of contents of images. The rules and their reasons: docs/cache_key.md.
#pragma once

#include "orchestrator/plan.hpp"

#include <set>

namespace dbuild::orchestrator {

class KeyMaker {
public:
    /// In: plans — of the stages before; they may grow. All borrowed.
    KeyMaker(const Parts& parts, Project& project, const std::map<int, PlannedStage>& plans)
        : parts_(parts), project_(project), plans_(plans) {}

    /// Key and ingredients of the layer-making step `step` of `plan`, whose earlier steps have their keys.
    /// In:      before — the chain below the step.
    /// Out:     nothing when a stage that it reads from is incomplete.
    /// Errors:  not_found, with `where` — a source that does not exist; unavailable — the index or the context.
    Result<std::optional<KeyedStep>> key_of(const PlannedStage& plan, std::size_t step, const cache::Chain& before);

    /// Names who wrote to the cache mounts of a step before its segment began, and to those of the writers: by what
    /// they run, not by what they ran on, which the layers below show. "" where nobody did. Errors: as key_of.
    Result<std::string> cache_writers(const PlannedStage& plan, std::size_t step, std::size_t segment_start);

    /// A source that is not in the context is an error before anything runs, also of a step whose key nobody can know
    /// yet. Errors: as key_of.
    Status check_context_sources(const ResolvedStep& step);

    virtual ~KeyMaker() = default;
    KeyMaker(const KeyMaker&) = delete;
    KeyMaker& operator=(const KeyMaker&) = delete;

protected:
    /// What COPY --from and RUN --mount=from read: a complete stage, or an image.
    struct Source {
        cache::Chain chain;
        std::vector<Digest> layers; // diff_ids, lowest first
    };
    Result<Source> source_of(const dockerfile_parser::StageReference& from);
    /// How a step takes the files that it reads.
    struct Reading {
        cache::oci::CopyFilter filter;
        bool ignores_modes = false; // an octal --chmod gives all of them one mode
        bool is_plain() const { return filter.is_plain() && !ignores_modes; }
    };
    /// What stands in a key for files that a step reads; bake/lineage.cpp has other answers, without reading any.
    virtual Result<Digest> selection(const dockerfile_parser::StageReference& from, const std::string& path,
                                     const Reading& reading);
    virtual Result<Digest> context_selection(const std::string& source, const Reading& reading);
    virtual Result<Digest> remote_content(const std::string& url, const std::optional<Digest>& checksum);
    virtual Result<std::string> commit_of(const GitUrl& repository);

private:
    static Reading reading_of(const CopyOperation& copy);
    struct Place {
        const PlannedStage* plan = nullptr;
        std::size_t step = 0;
        const ResolvedStep& resolved() const { return plan->stage->steps[step]; }
        const std::optional<cache::StepKey>& key() const { return plan->steps[step].key; }
    };
    Status add_run(cache::StepKeyBuilder& key, const Place& place, const cache::Chain* before);
    Result<KeyedStep> key_of_copy(const ResolvedStep& step, const CopyOperation& copy, const cache::Chain& before);
    Status add_mount(cache::StepKeyBuilder& key, const MountOperation& mount);
    std::optional<Place> last_writer(const Place& place, const std::set<std::string>& cache_ids) const;
    std::string cache_state(const Place& place, const std::string& cache_id) const;

    const Parts& parts_;
    Project& project_;
    const std::map<int, PlannedStage>& plans_;
};

} // namespace dbuild::orchestrator
