// SPDX-License-Identifier: Apache-2.0
// Where to cut a long file: FastCDC, so that an insertion moves the cuts near it and no others. The rule and its table
// belong to the store format: other cuts would be read as well, but would find no pieces again. Source: Xia et al.,
// FastCDC (USENIX ATC 2016), with the high bits of the hash; sizes from ../reference/storage.md §1.2.
#pragma once

#include <cstddef>
#include <string_view>

namespace dbuild::cache::store {

inline constexpr std::size_t k_min_cut_bytes = 16u << 10;
inline constexpr std::size_t k_average_cut_bytes = 64u << 10;
inline constexpr std::size_t k_max_cut_bytes = 512u << 10;

/// The length of the first piece of `bytes`, which are all that is left of the file, or at least k_max_cut_bytes of it.
std::size_t first_cut(std::string_view bytes);

} // namespace dbuild::cache::store
