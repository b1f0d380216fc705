// SPDX-License-Identifier: Apache-2.0
// A remote in a folder: on a disk, on a network share, or in what a CI service saves and restores.
// docs/remotes.md describes the files.
#pragma once

#include "cache/remote/backend.hpp"
#include "support/process.hpp"

namespace dbuild::cache::remote {

struct DirectoryOptions {
    std::filesystem::path path;
    std::uint64_t max_bytes = 0;        // of everything in it; what was used last stays
    bool is_writable = true;            // else not even the times of last use are kept
    CancelCheck is_cancelled = nullptr; // ends the writing of a pack
};

/// Nothing is made before the first write. No lock is taken: names appear by link and rename, which every file system
/// keeps whole, NFS included. Where the process is root by sudo, all files belong to the user who called it.
std::unique_ptr<Backend> make_directory_backend(DirectoryOptions options);

} // namespace dbuild::cache::remote
