// SPDX-License-Identifier: Apache-2.0
// `dbuild build` and `dbuild plan`: make the parts, build or plan, print the outcome, write ID file and report. As rows
// of the command table, see Command::run.
#pragma once

#include "support/result.hpp"

#include <atomic>
#include <span>
#include <string>

namespace dbuild::orchestrator::commands {

Result<int> run_build_command(std::span<const std::string> words, const std::atomic<bool>& cancelled);
Result<int> run_plan_command(std::span<const std::string> words, const std::atomic<bool>& cancelled);

} // namespace dbuild::orchestrator::commands
