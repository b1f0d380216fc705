// SPDX-License-Identifier: Apache-2.0
// Disk space that is kept back in <root>/reserve: removing layers takes rows to be written first, and on a full disk
// there is no room for them.
#pragma once

#include <cstdint>
#include <filesystem>

namespace dbuild::cache::store {

inline constexpr std::uint64_t k_reserve_bytes = 16u << 20; // rows about some hundred packs

/// Makes the reserve whole, unless it would take more than an eighth of what is free. Not being able to costs nothing
/// now.
void keep_reserve(const std::filesystem::path& root);

/// Gives half of what is left of it to the disk: whoever needs room next finds some, too. Out: false — nothing was
/// left.
bool spend_reserve(const std::filesystem::path& root);

} // namespace dbuild::cache::store
