// SPDX-License-Identifier: Apache-2.0
// `dbuild build` and `dbuild plan`: make the parts, build or plan, print the outcome, write ID file and report.
#pragma once

#include "orchestrator/command_line.hpp"

#include <atomic>

namespace dbuild::orchestrator::commands {

/// Returns the exit status. In: cancelled — set by a signal handler when the user wants it to end.
int run_build_command(const Command& command, const std::atomic<bool>& cancelled);

} // namespace dbuild::orchestrator::commands
