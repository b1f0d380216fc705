// SPDX-License-Identifier: Apache-2.0
// What an instruction does once it is expanded: the operation of a step, what it reads from, and what is in force when
// it runs. Instructions become steps in stage_state.hpp.
#pragma once

#include "cache/oci/copy_selection.hpp"
#include "cache/oci/image.hpp"
#include "dockerfile_parser/instructions.hpp"
#include "dockerfile_parser/run_mount.hpp"
#include "dockerfile_parser/stage_graph.hpp"
#include "orchestrator/git_url.hpp"
#include "orchestrator/variables.hpp"

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace dbuild::orchestrator {

/// What is in force where a step runs, as far as it can see that.
struct StepState {
    std::shared_ptr<const VariableLog> log; // shared by the steps of the stage; null: nothing is set
    std::size_t point = 0;                  // in the log
    std::string user;
    std::string working_dir; // absolute
    std::vector<std::string> shell;

    std::vector<Variable> variables() const { return log ? log->variables_at(point) : std::vector<Variable>(); }
    /// The configuration of an image on which the step can be run. In: platform — a configuration that names it.
    cache::oci::ImageConfig config_for(const cache::oci::ImageConfig& platform) const;
};

struct MountOperation {
    dockerfile_parser::RunMount mount;
    std::string written;   // the flag's value as in the Dockerfile
    std::string target;    // absolute; "" for a secret that is only a variable, and for ssh without a target
    std::string cache_id;  // of a cache
    std::string secret_id; // of a secret or an ssh agent
    std::optional<dockerfile_parser::StageReference> from; // nothing: the build context (bind), or nothing at all
};
struct RunOperation {
    std::vector<std::string> arguments; // after the shell was put before a shell form
    std::string script;  // body of a heredoc that begins with "#!"; arguments name the file that it becomes
    std::string network; // "" for the default
    std::vector<MountOperation> mounts;
};
struct CopyOperation {
    bool is_add = false;
    std::optional<dockerfile_parser::StageReference> from; // a stage or an image in familiar form; nothing: the context
    std::vector<std::string> sources;                      // expanded; of ADD also URLs
    std::vector<GitUrl> repositories;                      // of the sources that are git repositories, in order
    std::optional<Digest> checksum;                        // of the only source, which is a URL
    std::vector<dockerfile_parser::Heredoc> files;         // bodies expanded
    std::string destination;                               // absolute; a trailing "/" means a directory
    std::string chown, chmod;
    cache::oci::CopyFilter filter;
    bool unpacks = false;        // archives of the context that are named
    bool unpacks_remote = false; // --unpack=true: also those of URLs
    bool is_link = false;
};
struct WorkdirOperation {
    std::string path; // absolute, not "/"
};
struct MetadataOperation {};

struct ResolvedStep {
    const dockerfile_parser::Instruction* instruction = nullptr; // borrowed from the Dockerfile
    int position = 0;                                            // of the instruction in its stage, from 1
    std::variant<MetadataOperation, RunOperation, CopyOperation, WorkdirOperation> operation;
    std::vector<cache::oci::HistoryEntry> history; // none for ONBUILD, else one; without time
    StepState before;                              // in force when it runs

    /// The stages and images that it reads from besides its own root file system, in order, perhaps repeated.
    std::vector<dockerfile_parser::StageReference> sources() const;
    /// What it copies or mounts from the build context, as ContextTree takes it; perhaps repeated.
    std::vector<std::string> context_sources() const;
    bool makes_layer() const { return !std::holds_alternative<MetadataOperation>(operation); }
    /// A source that does not exist, or is not what was asked for, is the fault of the instruction that names it, and
    /// gets its place.
    Error blamed(Error error) const {
        if ((error.kind == ErrorKind::not_found || error.kind == ErrorKind::step_failed) && !error.where)
            error.where = instruction->where;
        return error;
    }
};

} // namespace dbuild::orchestrator
