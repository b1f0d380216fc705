// SPDX-License-Identifier: Apache-2.0
// In which order layers are evicted. Pure: prune.hpp says what is evicted, and does it.
#pragma once

#include "support/digest.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <vector>

namespace dbuild::cache::store {

/// Layer → those that it stood on directly, in any build. May hold cycles: an empty layer can be made twice in a stage.
using LayersBelow = std::map<Digest, std::set<Digest>>;

/// These and everything below them.
std::set<Digest> with_all_below(const std::set<Digest>& layers, const LayersBelow& below);

struct EvictionCandidate {
    Digest layer;             // diff_id
    std::int64_t used = 0;    // seconds since 1970
    std::int64_t created = 0; // the same
    std::uint64_t bytes = 0;  // that its eviction frees, about
    double seconds = 0;       // what making it again takes, as far as known
    std::size_t number = 0;   // the caller's
};

/// What is worth least goes first: seconds that a byte saves, half as many for every week without use; of equal ones
/// the newest. A layer counts as used whenever one that stands on it was, is worth as much as any of them, and goes
/// after them. Out: the same candidates, `used` set to what counts. Source: ../reference/storage.md §3.5.
std::vector<EvictionCandidate> eviction_order(std::vector<EvictionCandidate> candidates, const LayersBelow& below,
                                              std::int64_t now);

} // namespace dbuild::cache::store
