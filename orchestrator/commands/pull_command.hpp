// SPDX-License-Identifier: Apache-2.0
// `dbuild pull IMAGE…`: base images from registries into the cache; docs/registry.md. A row of the command table, see
// Command::run.
#pragma once

#include "support/result.hpp"

#include <atomic>
#include <span>
#include <string>

namespace dbuild::orchestrator::commands {

Result<int> run_pull_command(std::span<const std::string> words, const std::atomic<bool>& cancelled);

} // namespace dbuild::orchestrator::commands
