// SPDX-License-Identifier: Apache-2.0
// `dbuild bake`: the images of a bake file or compose file. docs/bake.md is the contract.
#pragma once

#include "support/result.hpp"

#include <atomic>
#include <span>
#include <string>

namespace dbuild::orchestrator::commands {

/// As Command::run of command_table.hpp.
Result<int> run_bake_command(std::span<const std::string> words, const std::atomic<bool>& cancelled);

} // namespace dbuild::orchestrator::commands
