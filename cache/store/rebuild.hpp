// SPDX-License-Identifier: Apache-2.0
// Finds what the packs say about themselves, for an index that was lost: pieces, layers, and the steps that made them.
#pragma once

#include "cache/store/index.hpp"
#include "cache/store/layer_store.hpp"
#include "support/work_progress.hpp"

#include <cstdint>
#include <vector>

namespace dbuild::cache::store {

/// The pack files that the index does not list.
Result<std::vector<std::filesystem::path>> unlisted_packs(const LayerStore& layers);

/// Lists one pack again, if it is sound; removes it if it is damaged. Packs that it needs must be listed before.
/// Out: the layers in it that can be restored; the others need a pack that is not there.
Result<std::vector<Digest>> adopt_pack(const LayerStore& layers, const std::filesystem::path& path);

/// Reads a layer that can be restored, and records its table of contents; nothing to do for one that has it already.
/// Errors: corrupt — the layer is damaged.
Status record_contents(const LayerStore& layers, Index& index, const Digest& diff_id);

struct RebuildResult {
    std::uint64_t packs = 0, layers = 0, damaged_packs = 0;
};

/// Lists all packs, and reads every layer that has no table of contents. In: progress — of the packs, then of the
/// layers.
Result<RebuildResult> rebuild_index(const LayerStore& layers, const WorkProgress& progress);

} // namespace dbuild::cache::store
