// SPDX-License-Identifier: Apache-2.0
// One look at a context: what its sources mean, and every path that they select, loaded once with all below it and
// hashed. What a selection's digest is made of is context_tree.hpp's business.
#pragma once

#include "cache/context/counters.hpp"
#include "cache/context/folder_tree.hpp"
#include "cache/context/folder_walk.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace dbuild::cache::context {

class ContextView {
public:
    /// In: root, cache, counters — borrowed. trust — which of the cache's digests are taken.
    ContextView(const ContextRoot& root, StatCache& cache, StatCache::Trust trust, ContextCounters& counters)
        : root_(root), cache_(cache), trust_(trust), counters_(counters) {}

    struct Target {
        std::string path;   // as the source or its wildcards name it, links along the way followed
        std::string target; // the last link followed, too: in tree()
        friend bool operator==(const Target&, const Target&) = default;
    };

    /// What a COPY source selects, sorted by path; loaded.
    /// Errors:  not_found — a literal that is missing or ignored; unavailable; invalid_dockerfile — a malformed
    /// wildcard.
    Result<std::vector<Target>> targets(std::string_view source);

    const FolderTree& tree() const { return tree_; }

private:
    Result<std::vector<std::string>> matches(std::string_view wanted) const;
    Result<std::vector<std::string>> matches_below(const std::string& folder, const std::string& pattern) const;
    Result<std::vector<std::string>> matching_names(const std::string& folder, const std::string& pattern) const;
    Result<std::string> follow(const std::string& path) const;
    Status load(const std::vector<std::string>& paths);

    const ContextRoot& root_;
    StatCache& cache_;
    StatCache::Trust trust_;
    ContextCounters& counters_;
    FolderTree tree_;
};

} // namespace dbuild::cache::context
