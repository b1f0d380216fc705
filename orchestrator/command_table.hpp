// SPDX-License-Identifier: Apache-2.0
// The commands of dbuild: the first word of a command line chooses one, and a first word that names none means `build`.
// A new command is one line in the table of command_table.cpp; what it does is in commands/<word>_command.cpp.
#pragma once

#include "support/result.hpp"

#include <atomic>
#include <span>
#include <string>
#include <string_view>

namespace dbuild::orchestrator {

struct Command {
    std::string_view word;
    std::string_view summary; // for the help
    /// In:     words — behind the command's; cancelled — set by a signal handler when the user wants it to end.
    /// Out:    the exit status. Errors: main prints them and exits with exit_code_for() their kind.
    Result<int> (*run)(std::span<const std::string> words, const std::atomic<bool>& cancelled);
};

std::span<const Command> command_table();

/// Runs the command that the words name. In: words — without the program's name. Else as Command::run.
Result<int> run_command_line(std::span<const std::string> words, const std::atomic<bool>& cancelled);

} // namespace dbuild::orchestrator
