// SPDX-License-Identifier: Apache-2.0
// `dbuild cache du|ls|show|verify|prune|rebuild-index|scopes|export|import`: looking at the store and looking after it.
// Here are the verbs and their options; each verb is in a file of its own, declared in cache_verbs.hpp.
#pragma once

#include "support/result.hpp"

#include <atomic>
#include <span>
#include <string>

namespace dbuild::orchestrator::commands {

/// In: words — behind "cache". Out, errors: as Command::run.
Result<int> run_cache_command(std::span<const std::string> words, const std::atomic<bool>& cancelled);

} // namespace dbuild::orchestrator::commands
