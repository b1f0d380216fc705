// SPDX-License-Identifier: Apache-2.0
// `dbuild check PATH`: errors and lint warnings of a Dockerfile; docs/check.md. A row of the command table, see
// Command::run.
#pragma once

#include "support/result.hpp"

#include <atomic>
#include <span>
#include <string>

namespace dbuild::orchestrator::commands {

Result<int> run_check_command(std::span<const std::string> words, const std::atomic<bool>& cancelled);

} // namespace dbuild::orchestrator::commands
