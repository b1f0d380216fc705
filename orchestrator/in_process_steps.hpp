// SPDX-License-Identifier: Apache-2.0
// COPY, ADD and WORKDIR steps that dbuild makes itself, without any process: which ones it can, and what they are made
// from. The rest goes to an executor. How a layer is made is executors/in_process/'s business.
#pragma once

#include "executors/in_process/accounts.hpp"
#include "executors/in_process/context_files.hpp"
#include "executors/in_process/copy.hpp"
#include "executors/in_process/layer_files.hpp"
#include "orchestrator/plan.hpp"

namespace dbuild::orchestrator {

inline constexpr std::string_view k_in_process = "in-process"; // as in the report

/// False for RUN, and for what only BuildKit can do: heredocs whose names are paths. Metadata is neither; callers ask
/// about steps that make layers.
bool can_make_in_process(const ResolvedStep& step);

/// True if an engine may not know what the step asks for, or would do something else than the step's key says: such a
/// step is made in process wherever it stands. In: step — one that can_make_in_process().
bool must_make_in_process(const ResolvedStep& step);

/// A step with everything that it needs to know; running it touches nothing that builds share.
class InProcessStep {
public:
    /// In:      step — index of a step that can_make_in_process(), below which the plan has records.
    /// Errors:  as root_layers; not_found, with `where` — a source that does not exist; corrupt — no table of contents.
    static Result<InProcessStep> prepare(const Parts& parts, const Project& project, const Planner& planner, int stage,
                                         std::size_t step);

    /// What a bind mount of the build context shows: a layer on nothing that holds the source at `destination`; for
    /// send(). Errors: as prepare, without `where`.
    static Result<InProcessStep> prepare_mount(const Project& project, const std::string& source,
                                               const std::string& destination);

    /// Writes the layer to `path`.
    /// Errors:  step_failed; transient — the context is not as it was when it was hashed; not_found — a layer that is
    /// read from
    ///          is lost; corrupt; unavailable.
    /// Threads: without any lock, beside other steps.
    Result<executors::MadeLayer> run(const executors::LayerReader& read_layer, const std::filesystem::path& path);

    /// Hands the entries of the layer on instead. Errors, threads: as run(); the sink's.
    Status send(const cache::oci::EntrySink& sink);

private:
    InProcessStep() = default;
    void start();
    Status add_folder_source(const cache::oci::SourceTree& tree, const std::string& source, const CopyOperation& copy,
                             const executors::in_process::ContextFiles& files);
    Status add_git_source(const Project& project, const GitUrl& url, const CopyOperation& copy);
    Status add_remote_source(const Project& project, const std::string& url, const CopyOperation& copy);
    Status add_layer_source(const std::string& source, const cache::oci::CopyFilter& filter);
    void add_heredoc(const dockerfile_parser::Heredoc& heredoc);
    Result<executors::in_process::PendingLayer> make(const executors::LayerReader& read_layer);
    Result<std::optional<executors::in_process::Owner>> owner(const executors::LayerReader& read_layer) const;
    Result<std::string> account_file(const std::string& path, const executors::LayerReader& read_layer) const;

    bool is_link_ = false;
    bool is_workdir_ = false;
    bool has_accounts_ = false; // there is a layer below that may hold them
    std::string owner_text_;    // empty: none is given
    std::int64_t now_ = 0;      // seconds since 1970
    Instant started_;
    executors::in_process::LayerFiles root_;
    std::optional<executors::in_process::LayerFiles> from_; // COPY --from
    executors::in_process::CopyRequest request_;            // of a WORKDIR: only the destination
};

} // namespace dbuild::orchestrator
