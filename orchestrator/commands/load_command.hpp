// SPDX-License-Identifier: Apache-2.0
// `dbuild load` brings an archive or the last image of a scope into the engine, `dbuild run` runs the latter;
// docs/registry.md. Rows of the command table, see Command::run.
#pragma once

#include "support/result.hpp"

#include <atomic>
#include <span>
#include <string>

namespace dbuild::orchestrator::commands {

Result<int> run_load_command(std::span<const std::string> words, const std::atomic<bool>& cancelled);
Result<int> run_run_command(std::span<const std::string> words, const std::atomic<bool>& cancelled);

} // namespace dbuild::orchestrator::commands
