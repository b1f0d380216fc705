// SPDX-License-Identifier: Apache-2.0
// The command line of `dbuild build` and `dbuild plan`: every flag of `docker build` and `docker buildx build`, and
// dbuild's own, from one table (build_flags.hpp). What the commands do is in commands/.
#pragma once

#include "orchestrator/parts.hpp"
#include "support/result.hpp"

#include <span>
#include <string>

namespace dbuild::orchestrator {

/// Who runs RUNs. Automatic: the runtime where it can be had and the engine is on this machine.
enum class ExecutorKind { automatic, buildx, runtime };

struct BuildCommandLine {
    BuildOptions options;
    progress::Form progress = progress::Form::automatic;
    ExecutorKind executor = ExecutorKind::automatic;
    std::string builder; // --builder, else BUILDX_BUILDER; empty: none is named
    std::string
        handed_over_because; // not empty: docker buildx has to build it, and this is why (flags, never their values)
    bool wants_help = false; // then nothing else counts
};

/// In:      words — behind the command's name. The environment gives defaults: BUILDX_BUILDER, DOCKER_DEFAULT_PLATFORM,
///          DBUILD_EXECUTOR, DBUILD_PROGRESS, else BUILDKIT_PROGRESS, SOURCE_DATE_EPOCH (a build argument) and others
///          that docker buildx reads.
/// Errors:  usage — names the flag.
Result<BuildCommandLine> parse_build_command_line(std::span<const std::string> words);

} // namespace dbuild::orchestrator
