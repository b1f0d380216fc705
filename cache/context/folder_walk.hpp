// SPDX-License-Identifier: Apache-2.0
// Reads folders of a context into a FolderTree, by several threads where there is enough to do. What is ignored is not
// entered. Files that the stat cache knows get their digests; the others are listed for file_hasher.hpp.
#pragma once

#include "cache/context/folder_tree.hpp"
#include "cache/context/stat_cache.hpp"
#include "support/files.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace dbuild::cache::context {

/// An open context, and what of it does not belong to it.
struct ContextRoot {
    using PathPredicate = std::function<bool(std::string_view)>;
    std::filesystem::path path; // absolute: a thread that runs a RUN has a current folder of its own
    Fd fd;
    PathPredicate is_ignored, can_skip_directory; // null: nothing is ignored; called by several threads

    bool ignores(std::string_view below) const { return is_ignored && is_ignored(below); }
    bool skips(std::string_view below) const { return is_ignored && is_ignored(below) && can_skip_directory(below); }

    /// Opens a folder or file of the context. Links are not followed, neither at the end nor on the way.
    /// In: flags — of open(2), O_CLOEXEC added. Out: closed with errno set if it fails.
    Fd open_below(const std::string& below, int flags) const;
    /// "cannot read /context/x: why", with errno's text. Errors: always unavailable.
    tl::unexpected<Error> failure(std::string_view what, std::string_view below) const;
};

struct FileToHash {
    FileIdentity identity;              // when it was looked at
    std::uint32_t folder = 0, node = 0; // its place in the tree
};

/// Brings paths into the tree with everything below them; what is not there or is ignored stays absent.
/// In:      paths — clean, without links on the way; known ones are left as they are.
///          trust — which of the cache's digests are taken.
/// Out:     the files without a digest, in no order.
/// Errors:  unavailable — a folder or link that cannot be read.
Result<std::vector<FileToHash>> read_folders(const ContextRoot& root, const StatCache& cache, StatCache::Trust trust,
                                             const std::vector<std::string>& paths, FolderTree& tree);

} // namespace dbuild::cache::context
