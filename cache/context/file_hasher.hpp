// SPDX-License-Identifier: Apache-2.0
// Reads and hashes files of a context, by several threads where there is enough to do, and tells the stat cache what
// may be trusted later (docs/stat_cache.md has the rule).
#pragma once

#include "cache/context/counters.hpp"
#include "cache/context/folder_walk.hpp"

namespace dbuild::cache::context {

/// Puts the digests, and size, mode and times of the same moment, into the nodes.
/// In:      files — of `tree`; sorted here.
/// Errors:  unavailable — a file that cannot be read, or is a regular file no more.
Status hash_files(const ContextRoot& root, std::vector<FileToHash> files, FolderTree& tree, StatCache& cache,
                  ContextCounters& counters);

} // namespace dbuild::cache::context
