// SPDX-License-Identifier: Apache-2.0
// Evaluates the instructions of a stage without running anything: expands them, follows ARG, ENV, USER, WORKDIR, SHELL
// and the image configuration, and says what each step will do. Source of the rules: reference/buildkit-semantics.md
// §2, §7.1.
#pragma once

#include "dockerfile_parser/instructions.hpp"
#include "dockerfile_parser/stage_graph.hpp"
#include "orchestrator/resolved_step.hpp"

#include <map>
#include <string>
#include <vector>

namespace dbuild::orchestrator {

/// What is in force at the beginning or at the end of a stage.
struct BuildState {
    cache::oci::ImageConfig config; // without diff_ids and history
    VariableLog variables;
    std::vector<std::string> declared_arguments; // in order of declaration, for the history of RUN; unique
    bool has_own_cmd = false;                    // CMD was set in this stage

    std::string working_dir() const { return config.working_dir.empty() ? "/" : config.working_dir; }
};

struct ResolvedStage {
    int index = 0;
    dockerfile_parser::StageReference base;
    std::vector<ResolvedStep> steps;
    BuildState final;
};

struct StageInputs {
    const dockerfile_parser::Dockerfile* dockerfile = nullptr;
    const std::map<std::string, std::string>* build_arguments = nullptr; // --build-arg
    const std::map<std::string, std::string>* global_arguments =
        nullptr; // automatic ones and ARGs before the first FROM
};

/// The state a stage starts with: from a base image's configuration, from scratch, or from a parent stage; without
/// their ONBUILD triggers.
BuildState state_from_image(cache::oci::ImageConfig config);
BuildState state_from_scratch(std::string_view os, std::string_view architecture, std::string_view variant);
BuildState state_from_stage(const BuildState& parent);

/// In: node — from the graph of this Dockerfile, whose sources stand for --from of COPY and mounts, in order.
/// Cost: linear in the length of the stage.
/// Errors: invalid_dockerfile, with `where`; unsupported — an instruction that this version does not plan, with
/// `where`.
Result<ResolvedStage> resolve_stage(const StageInputs& inputs, const dockerfile_parser::StageNode& node,
                                    BuildState initial);

} // namespace dbuild::orchestrator
