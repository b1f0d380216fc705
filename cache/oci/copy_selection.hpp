// SPDX-License-Identifier: Apache-2.0
// What one source of a COPY or ADD takes from a tree of files, with --parents and --exclude: for the step's key and for
// the copy itself, so that both always mean the same. Source: BuildKit's dispatchCopy and fsutil's copy of its current
// version; ../reference/buildkit-semantics.md §5.1.
#pragma once

#include "cache/oci/layer_tar.hpp"

#include <functional>
#include <optional>

namespace dbuild::cache::oci {

struct CopyFilter {
    bool keeps_parents = false;        // --parents
    std::vector<std::string> excludes; // --exclude, in order; moby/patternmatcher's patterns, relative to the source

    bool is_plain() const { return !keeps_parents && excludes.empty(); }
    /// Different filters have different texts; that of a plain one is empty.
    std::string to_string() const;
};

/// A path that a source selects, and what of it is copied.
struct SelectedTree {
    struct Item {
        LayerEntry entry;
        bool is_on_the_way = false; // a folder that only leads to something that is copied
    };
    std::string named;       // as the source or its wildcards name it
    std::vector<Item> items; // the path itself first, then what is below it, each folder before what it holds
    bool is_link = false;    // the name is that of a link, which was followed
};

/// The files that are copied from: a build context, or the layers of a stage or an image.
struct SourceTree {
    std::function<Result<std::vector<SelectedPath>>(std::string_view source)> select; // as oci::select
    std::function<std::optional<LayerEntry>(const std::string& path)> find; // what select() came to; follows no link
    /// A path with everything below it, itself first; what nothing describes is a folder 0755 of that time.
    std::function<std::vector<LayerEntry>(const std::string& path, std::int64_t folder_time)> subtree;
};

/// In: tree — borrowed.
SourceTree source_tree_of(const FileTree& tree);

/// In:      source — expanded; with --parents "base/./pattern". folder_time — seconds since 1970.
/// Errors:  not_found — a literal that is missing: `"/x": not found`; invalid_dockerfile — a malformed pattern.
Result<std::vector<SelectedTree>> select_trees(const SourceTree& tree, std::string_view source,
                                               const CopyFilter& filter, std::int64_t folder_time);

/// Of all that is copied, without times. In: source — as select_trees; names count where it has wildcards.
Digest selection_digest(std::vector<SelectedTree> trees, std::string_view source);

} // namespace dbuild::cache::oci
