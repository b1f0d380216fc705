// SPDX-License-Identifier: Apache-2.0
// What RUN, COPY and ADD do, worked out from the instruction and from what is in force where it stands. Source of the
// rules: reference/buildkit-semantics.md §2, §5.1, §6, §7.1.
#pragma once

#include "dockerfile_parser/expansion.hpp"
#include "orchestrator/resolved_step.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace dbuild::orchestrator {

/// What is in force where an instruction stands.
struct OperationInputs {
    dockerfile_parser::VariableLookup lookup;
    char escape = '\\';
    std::string working_dir;        // absolute
    std::vector<std::string> shell; // empty: the default one
    /// What the next --from of the stage means, in the order of the instructions. An image is in familiar form.
    std::function<Result<dockerfile_parser::StageReference>()> next_source;
};

/// Errors: invalid_dockerfile; unsupported — something that no executor of this version can do; without `where`.
/// In: source — text of the instruction as written.
Result<RunOperation> resolve_run(const dockerfile_parser::RunInstruction& run, std::string_view source,
                                 const OperationInputs& inputs);
Result<CopyOperation> resolve_copy(const dockerfile_parser::CopyInstruction& copy, const OperationInputs& inputs);

/// The words of a command: of the shell form, those of the shell and the line.
std::vector<std::string> command_words(const dockerfile_parser::CommandLine& command,
                                       const std::vector<std::string>& shell);

/// An absolute path without "." and "..", clamped at the root. In: folder — where a relative path begins.
std::string join_path(const std::string& folder, std::string_view path);

} // namespace dbuild::orchestrator
