// SPDX-License-Identifier: Apache-2.0
// `dbuild build`, `dbuild plan` and `dbuild explain`: make the parts, build, plan or explain, print the outcome, write
// ID file and report. As rows of the command table, see Command::run.
#pragma once

#include "support/result.hpp"

#include <atomic>
#include <span>
#include <string>

namespace dbuild::orchestrator::commands {

Result<int> run_build_command(std::span<const std::string> words, const std::atomic<bool>& cancelled);
Result<int> run_plan_command(std::span<const std::string> words, const std::atomic<bool>& cancelled);
/// In: words — those of build, and --format text|json.
Result<int> run_explain_command(std::span<const std::string> words, const std::atomic<bool>& cancelled);

} // namespace dbuild::orchestrator::commands
