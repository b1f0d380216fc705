// SPDX-License-Identifier: Apache-2.0
// `dbuild copy SOURCE DESTINATION`: an image from one place to another; docs/registry.md. A row of the command table,
// see Command::run.
#pragma once

#include "support/result.hpp"

#include <atomic>
#include <span>
#include <string>

namespace dbuild::orchestrator::commands {

Result<int> run_copy_command(std::span<const std::string> words, const std::atomic<bool>& cancelled);

} // namespace dbuild::orchestrator::commands
