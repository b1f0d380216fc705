// SPDX-License-Identifier: Apache-2.0
// The flags of a build as data: name, kind of value, what dbuild does with it, and the help text.
// Source: commands/build.go of docker/buildx 0.13 to 0.31 and cli/command/image/build.go of docker/cli 28.
#pragma once

#include "orchestrator/command_line/build_command_line.hpp"
#include "orchestrator/command_line/flag_parser.hpp"

namespace dbuild::orchestrator {

enum class FlagGroup { image, input, cache, output, run, attestation, own, legacy };

struct BuildFlag {
    Flag flag;
    FlagGroup group;
    /// What dbuild does with a value. Errors: usage; unsupported — docker buildx has to build it.
    /// Null: docker buildx has to build it, unless the value is one of `harmless`.
    Status (*apply)(BuildCommandLine& line, const std::string& value);
    std::string_view
        harmless; // values that change nothing, "|" between them; "*": all, BuildKit itself ignores the flag
    std::string_view value_name; // for the help; empty: a boolean
    std::string_view help;
};

std::span<const BuildFlag> build_flags();

/// All flags by group, with what is done with each.
std::string build_flags_help();

} // namespace dbuild::orchestrator
