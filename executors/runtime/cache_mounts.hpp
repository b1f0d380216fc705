// SPDX-License-Identifier: Apache-2.0
// Folders of RUN --mount=type=cache, which outlive builds: one for each identity, owner and mode, as in BuildKit; none
// of them is part of a layer or of a key. Source: ../shared/reference/executor.md §2.
//   <root>/NAME       the folder. NAME: cache_folder_name(), and "-1", "-2", ... for copies of one's own
//   <root>/NAME.lock  held by who uses it; modified when a RUN took it last. It never goes: who opened it before that
//                     would hold another lock than who comes after
//   <root>/NAME.gone  what is being deleted; whoever prunes next goes on
#pragma once

#include "executors/executor.hpp"
#include "support/files.hpp"
#include "support/process.hpp"
#include "support/result.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace dbuild::executors::runtime {

/// A cache folder that a RUN may use as long as this lives.
struct CacheFolder {
    std::filesystem::path path;
    Fd lock;
};

/// In:      root — the folder of all of them.
/// Errors:  interrupted — cancelled while another RUN had it; unavailable.
Result<CacheFolder> take_cache_folder(const std::filesystem::path& root, const CommandMount& mount,
                                      const CancelCheck& is_cancelled);

/// Of its folder: equal for two mounts of one folder, however they share it.
std::string cache_folder_name(const CommandMount& mount);

/// What may stay of all folders that no RUN has at the moment.
struct CacheFolderLimits {
    std::optional<std::uint64_t> max_bytes;      // on disk, of all of them; the least recently used go first
    std::optional<std::chrono::seconds> max_age; // since a RUN took it
};

/// Deletes what is beyond the limits. In: root — may be missing. Out: how many folders went, or would in a dry run.
/// Errors:  unavailable.
Result<std::size_t> prune_cache_folders(const std::filesystem::path& root, const CacheFolderLimits& limits,
                                        bool is_dry_run);

/// Bytes on disk of all of them. In: root — may be missing. Errors: unavailable.
Result<std::uint64_t> cache_folder_bytes(const std::filesystem::path& root);

/// Takes everything out of the folder of a mount, unless somebody uses it. Errors: unavailable.
Status empty_cache_folder(const std::filesystem::path& root, const CommandMount& mount);

} // namespace dbuild::executors::runtime
