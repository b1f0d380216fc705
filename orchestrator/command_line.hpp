// SPDX-License-Identifier: Apache-2.0
// The command line: `dbuild [build] [OPTIONS] PATH` and `dbuild plan [OPTIONS] PATH`. A first word that names no command
// means build. What the commands do is in commands/.
#pragma once

#include "orchestrator/parts.hpp"
#include "support/result.hpp"

#include <span>
#include <string>
#include <variant>

namespace dbuild::orchestrator {

enum class CommandName { build, plan };
enum class ProgressKind { plain, quiet };
enum class ExecutorKind { automatic, buildx };

struct Command {
    CommandName name = CommandName::build;
    BuildOptions options;
    ProgressKind progress = ProgressKind::plain;
    ExecutorKind executor = ExecutorKind::automatic;
};

/// What to print on standard output before leaving with status 0: the help or the version.
struct PrintedText {
    std::string text;
};

/// In: arguments — without the program's name. Errors: usage — names the flag.
Result<std::variant<Command, PrintedText>> parse_command_line(std::span<const char* const> arguments);

} // namespace dbuild::orchestrator
