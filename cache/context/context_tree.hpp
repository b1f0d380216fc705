// SPDX-License-Identifier: Apache-2.0
// The build context as BuildKit would receive it: only what a COPY source names is walked and hashed, each file once.
// What is ignored is decided by the caller. Files that did not change since an earlier run are not read
// (stat_cache.hpp).
#pragma once

#include "cache/context/counters.hpp"
#include "cache/oci/copy_selection.hpp"
#include "support/digest.hpp"
#include "support/result.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dbuild::cache::context {

class ContextTree {
public:
    using PathPredicate = std::function<bool(std::string_view)>;

    /// In:      root — the context's folder.
    ///          is_ignored, can_skip_directory — of a path below the root; both callable, by several threads; or both
    ///          null. stat_folder — where stat caches are kept; empty: every file is read.
    /// Errors:  unavailable — `root` is no folder.
    static Result<ContextTree> open(std::filesystem::path root, PathPredicate is_ignored,
                                    PathPredicate can_skip_directory, std::filesystem::path stat_folder = {});
    ~ContextTree();
    ContextTree(ContextTree&&) noexcept;

    /// The content that a COPY or ADD source selects; the same on every machine. Owners and times do not count.
    /// In:      source — expanded; may hold Go's wildcards.
    /// Errors:  not_found — a literal that is missing or ignored: `"/x": not found`; unavailable — a file that cannot
    /// be read;
    ///          invalid_dockerfile — a malformed wildcard.
    /// Threads: safe from several threads, as all members; one at a time, which walks and hashes with several.
    Result<Digest> source_digest(std::string_view source);

    /// The regular files that the last source_digest of this source hashed: path below the root, SHA-256 of the bytes;
    /// sorted. A source that has no digest yet gets one. Errors: as source_digest.
    Result<std::vector<std::pair<std::string, Digest>>> files_of(std::string_view source);

    /// The paths that a source selects, in the order in which BuildKit copies them: as source_digest found them.
    /// Errors: as source_digest.
    Result<std::vector<oci::SelectedPath>> select(std::string_view source);

    /// One path that a source selected, not following it; nothing for the root and what no source_digest came to. Its
    /// owner is 0:0; its times are those of the look.
    std::optional<oci::LayerEntry> find(const std::string& path) const;

    /// A path of find() with everything below it, itself first. The root, which nothing describes, is a folder 0755.
    /// In: now — its time, seconds since 1970.
    std::vector<oci::LayerEntry> subtree(const std::string& path, std::int64_t now) const;

    /// Looks again, after somebody else read what the source selects: what they read is what was hashed only if this
    /// succeeds. Errors:  transient — something changed since, be it back to what it was; as source_digest.
    Status verify_unchanged(std::string_view source);

    /// Whether an earlier run has hashed files of it: then few have to be read now.
    bool is_known() const;

    /// Has later runs not read the files again that were hashed. Errors: unavailable, no_space — costs them time only.
    Status save_stat_cache();

    ContextCounters counters() const;

private:
    struct Impl;
    explicit ContextTree(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

/// The context as what is copied from. In: context — borrowed.
oci::SourceTree source_tree_of(ContextTree& context);

} // namespace dbuild::cache::context
