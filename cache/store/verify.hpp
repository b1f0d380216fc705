// SPDX-License-Identifier: Apache-2.0
// Checks everything that is stored against its name.
#pragma once

#include "cache/store/layer_store.hpp"
#include "support/work_progress.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace dbuild::cache::store {

struct VerifyResult {
    std::uint64_t packs = 0, layers = 0, blobs = 0, unlisted_packs = 0; // that were looked at
    std::vector<std::string> problems;                                  // one sentence each
};

enum class Repair { no, yes };

/// Hashes each pack and each blob, restores each layer and looks into it, and holds the index's rows against what is
/// there: where pieces are, sizes, tables of contents, content IDs of steps. With Repair::yes rows are made anew from
/// what is sound, and what is damaged is removed: the steps run again when they are needed. In: progress — told (done,
/// of all), may be null. Errors: unavailable.
Result<VerifyResult> verify(const LayerStore& layers, Repair repair, const WorkProgress& progress);

} // namespace dbuild::cache::store
