// SPDX-License-Identifier: Apache-2.0
// Evicts layers until the store fits its limits, and gives the space back. In which order: eviction_order.hpp. What
// stays keeps what it stands on. Records outlive layers.
#pragma once

#include "cache/store/layer_store.hpp"
#include "support/work_progress.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace dbuild::cache::store {

struct PruneOptions {
    std::optional<std::uint64_t> max_bytes;      // of packs and blobs
    std::optional<std::chrono::seconds> max_age; // since the last use; records that old go as well
    std::vector<std::string> keep_scopes;        // what they use stays, and every base image
    bool is_dry_run = false;
    std::optional<std::chrono::milliseconds> time_budget; // for repacking, the only part that takes long
    WorkProgress progress;                                // of that part, in packs
};

struct PruneResult {
    std::uint64_t bytes_before = 0, bytes_after = 0; // of a dry run: what it would come to, about
    std::uint64_t evicted_layers = 0, evicted_blobs = 0, removed_packs = 0, repacked_layers = 0, removed_records = 0;
};

/// The smaller of 20 GB and 10 percent of the disk's space that is free or the store's own.
std::uint64_t default_max_bytes(const std::filesystem::path& root, std::uint64_t own_bytes);

/// What the packs, the blobs and the spool take. Errors: unavailable.
Result<std::uint64_t> stored_bytes(const std::filesystem::path& root);

/// What living processes use stays, whatever the limits (lease.hpp). Errors: unavailable.
Result<PruneResult> prune(const LayerStore& layers, const PruneOptions& options);

} // namespace dbuild::cache::store
