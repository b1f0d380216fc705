// SPDX-License-Identifier: Apache-2.0
// `dbuild cache du|ls|show|verify|prune|rebuild-index|export|import`: looking at the store and looking after it.
#pragma once

#include "support/result.hpp"

#include <atomic>
#include <span>
#include <string>

namespace dbuild::orchestrator::commands {

/// In: words — behind "cache". Out, errors: as Command::run.
Result<int> run_cache_command(std::span<const std::string> words, const std::atomic<bool>& cancelled);

/// "20GB", "500MiB", "1.5g", "4096". Units: powers of 1000, with an i of 1024. Errors: usage.
Result<std::uint64_t> parse_byte_count(std::string_view text);
/// "30d", "12h", "90m", "3600s", "3600". Errors: usage.
Result<std::uint64_t> parse_age_seconds(std::string_view text);

} // namespace dbuild::orchestrator::commands
