// SPDX-License-Identifier: Apache-2.0
// A whole store in one file, for another machine: an archive of its packs, of its blobs, and of its records.
// Format: docs/store_format.md "Exports".
#pragma once

#include "cache/store/layer_store.hpp"
#include "support/work_progress.hpp"

#include <cstdint>
#include <filesystem>

namespace dbuild::cache::store {

struct TransferResult {
    std::uint64_t packs = 0, blobs = 0, records = 0; // of an import: those that were new
    std::uint64_t bytes = 0;                         // of the file
};

/// Effects: the file appears whole or not at all. Errors: unavailable.
/// In: progress — in packs and blobs, as for importing.
Result<TransferResult> export_store(const LayerStore& layers, const std::filesystem::path& file,
                                    const WorkProgress& progress);

/// Adds what is not there yet. Everything is checked against its name; the records are believed, as those of this
/// machine are. Errors: not_found, unavailable; corrupt — no such file, or a damaged one; what was imported before the
/// damage stays.
Result<TransferResult> import_store(const LayerStore& layers, const std::filesystem::path& file,
                                    const WorkProgress& progress);

} // namespace dbuild::cache::store
