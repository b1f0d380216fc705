// SPDX-License-Identifier: Apache-2.0
// `dbuild parse FILE`: a Dockerfile as other programs can read it; docs/parse_json.md. A row of the command table, see
// Command::run.
#pragma once

#include "support/result.hpp"

#include <atomic>
#include <span>
#include <string>

namespace dbuild::orchestrator::commands {

Result<int> run_parse_command(std::span<const std::string> words, const std::atomic<bool>& cancelled);

} // namespace dbuild::orchestrator::commands
