// SPDX-License-Identifier: Apache-2.0
// `dbuild save IMAGE…`: images from the cache into an archive; docs/registry.md. A row of the command table, see
// Command::run.
#pragma once

#include "support/result.hpp"

#include <atomic>
#include <span>
#include <string>

namespace dbuild::orchestrator::commands {

Result<int> run_save_command(std::span<const std::string> words, const std::atomic<bool>& cancelled);

} // namespace dbuild::orchestrator::commands
