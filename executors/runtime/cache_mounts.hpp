// SPDX-License-Identifier: Apache-2.0
// Folders of RUN --mount=type=cache, which outlive builds: one for each identity, owner and mode, as in BuildKit; none
// of them is part of a layer or of a key. Source: ../shared/reference/executor.md §2.
#pragma once

#include "executors/executor.hpp"
#include "support/files.hpp"
#include "support/process.hpp"
#include "support/result.hpp"

#include <filesystem>
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

/// Takes everything out of the folder of a mount, unless somebody uses it. Errors: unavailable.
Status empty_cache_folder(const std::filesystem::path& root, const CommandMount& mount);

} // namespace dbuild::executors::runtime
