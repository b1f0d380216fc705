// SPDX-License-Identifier: Apache-2.0
#include "cache/store/chunker.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace dbuild::cache::store {
namespace {

/// SplitMix64 from a fixed seed: the table never changes within a format.
constexpr std::array<std::uint64_t, 256> make_gear() {
    std::array<std::uint64_t, 256> table{};
    std::uint64_t state = 0x6462'7569'6c64'3031; // "dbuild01"
    for (auto& entry : table) {
        state += 0x9e37'79b9'7f4a'7c15;
        std::uint64_t value = state;
        value = (value ^ value >> 30) * 0xbf58'476d'1ce4'e5b9;
        value = (value ^ value >> 27) * 0x94d0'49bb'1331'11eb;
        entry = value ^ value >> 31;
    }
    return table;
}

constexpr auto k_gear = make_gear();
// Normalised chunking, level 2: 18 bits must be zero before the average size, 14 after it (16 bits = 64 KiB).
constexpr std::uint64_t k_strict_mask = ~std::uint64_t{0} << (64 - 18);
constexpr std::uint64_t k_loose_mask = ~std::uint64_t{0} << (64 - 14);

} // namespace

std::size_t first_cut(std::string_view bytes) {
    const auto end = std::min(bytes.size(), k_max_cut_bytes);
    if (end <= k_min_cut_bytes) return end;
    const auto middle = std::min(end, k_average_cut_bytes);
    std::uint64_t hash = 0;
    std::size_t at = k_min_cut_bytes;
    for (; at < middle; ++at) {
        hash = (hash << 1) + k_gear[static_cast<unsigned char>(bytes[at])];
        if ((hash & k_strict_mask) == 0) return at + 1;
    }
    for (; at < end; ++at) {
        hash = (hash << 1) + k_gear[static_cast<unsigned char>(bytes[at])];
        if ((hash & k_loose_mask) == 0) return at + 1;
    }
    return end;
}

} // namespace dbuild::cache::store
