// SPDX-License-Identifier: Apache-2.0
// `dbuild affected`: which images of a bake file differ between a commit and the work tree. docs/bake.md is the
// contract.
#pragma once

#include "support/result.hpp"

#include <atomic>
#include <span>
#include <string>

namespace dbuild::orchestrator::commands {

/// As Command::run of command_table.hpp.
Result<int> run_affected_command(std::span<const std::string> words, const std::atomic<bool>& cancelled);

} // namespace dbuild::orchestrator::commands
