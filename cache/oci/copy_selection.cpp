// SPDX-License-Identifier: Apache-2.0
#include "cache/oci/copy_selection.hpp"

#include "dockerfile_parser/dockerignore.hpp"
#include "dockerfile_parser/glob.hpp"

#include <algorithm>
#include <map>

namespace dbuild::cache::oci {
namespace {

using dockerfile_parser::has_wildcard;
using dockerfile_parser::IgnoreMatcher;

/// The same language as .dockerignore's lines, but for comments and for a leading slash, with which nothing matches.
Result<IgnoreMatcher> compile(const std::vector<std::string>& patterns, const char* flag) {
    std::string text;
    for (const auto& pattern : patterns) {
        if (pattern.starts_with('/') || pattern.starts_with("!/")) continue;
        text += (pattern.starts_with('#') ? "./" : "") + pattern + "\n";
    }
    auto matcher = IgnoreMatcher::parse(text, "");
    if (!matcher) return fail(ErrorKind::invalid_dockerfile, std::string(flag) + ": " + matcher.error().message);
    return matcher;
}

LayerEntry implied_folder(const std::string& path, std::int64_t mtime) {
    LayerEntry folder;
    folder.path = path;
    folder.type = EntryType::directory;
    folder.mode = 0755;
    folder.mtime_seconds = mtime;
    return folder;
}

struct Patterns {
    std::optional<IgnoreMatcher> included; // nothing: all
    IgnoreMatcher excluded;

    /// In: path — relative to the source.
    bool take(std::string_view path) const {
        return (!included || included->is_ignored(path)) && !excluded.is_ignored(path);
    }
};

/// Where a source begins, and the path at or below it that all of it stands in.
struct Root {
    SelectedPath selected;
    std::string searched;
};

/// Everything at and below a path that the patterns take, and the folders that lead there.
SelectedTree take(const SourceTree& tree, const Root& root, const Patterns& patterns, std::int64_t folder_time) {
    const auto& path = root.selected.path;
    const auto named = tree.find(root.selected.named);
    SelectedTree taken{root.selected.named, {}, named && named->type == EntryType::symlink};
    const auto top = tree.find(path);
    taken.items.push_back({top ? *top : implied_folder(path, folder_time), false});
    const auto prefix = path.empty() ? 0 : path.size() + 1;
    std::map<std::string, LayerEntry, std::less<>> skipped; // folders that may turn out to be on the way
    const auto add_parents = [&](std::string_view below) {
        for (auto slash = below.find('/', prefix); slash != below.npos; slash = below.find('/', slash + 1)) {
            const auto folder = skipped.find(below.substr(0, slash));
            if (folder == skipped.end()) continue;
            taken.items.push_back({std::move(folder->second), true});
            skipped.erase(folder);
        }
    };
    for (auto& entry : tree.subtree(root.searched, folder_time)) {
        if (entry.path == path) continue;
        if (patterns.take(std::string_view(entry.path).substr(prefix))) {
            add_parents(entry.path);
            taken.items.push_back({std::move(entry), false});
        } else if (entry.type == EntryType::directory) {
            auto name = entry.path;
            skipped.insert_or_assign(std::move(name), std::move(entry));
        }
    }
    return taken;
}

Result<std::vector<Root>> find_roots(const SourceTree& tree, std::string_view source) {
    DBUILD_TRY_ASSIGN(auto selected, tree.select(source));
    std::vector<Root> roots;
    for (auto& path : selected) roots.push_back({path, path.path});
    return roots;
}

/// Finds what --parents starts from: of a source that begins with a literal name only that has to be looked at.
Result<std::vector<Root>> find_bases(const SourceTree& tree, const std::string& base, const std::string& pattern) {
    const auto first = pattern.substr(0, pattern.find('/'));
    if (!base.empty() || first.empty() || has_wildcard(first)) return find_roots(tree, base);
    const auto found = tree.select(first);
    if (!found && found.error().kind == ErrorKind::not_found) return std::vector<Root>();
    if (!found) return fail(found.error());
    const auto entry = tree.find(first);
    if (!entry || entry->type == EntryType::symlink) return find_roots(tree, base); // a link is copied itself
    return std::vector<Root>{{{"", ""}, first}};
}

} // namespace

std::string CopyFilter::to_string() const {
    std::string text = keeps_parents ? "parents" : "";
    for (const auto& pattern : excludes) text += "\nexclude " + pattern;
    return text;
}

SourceTree source_tree_of(const FileTree& tree) {
    SourceTree source;
    source.select = [&tree](std::string_view text) { return select(tree, text); };
    source.find = [&tree](const std::string& path) -> std::optional<LayerEntry> {
        const auto folder = tree.resolve(parent_path(path));
        if (!folder) return std::nullopt;
        const auto* entry = tree.find((folder->empty() ? "" : *folder + "/") + path.substr(path.rfind('/') + 1));
        return entry ? std::optional(*entry) : std::nullopt;
    };
    source.subtree = [&tree](const std::string& path, std::int64_t folder_time) {
        const auto* top = tree.find(path);
        std::vector<LayerEntry> entries = {top ? *top : implied_folder(path, folder_time)};
        const auto prefix = path.empty() ? std::string() : path + "/";
        const auto& all = tree.entries();
        for (auto it = all.lower_bound(prefix); it != all.end() && it->first.starts_with(prefix); ++it)
            if (it->first != path) entries.push_back(it->second);
        return entries;
    };
    return source;
}

Result<std::vector<SelectedTree>> select_trees(const SourceTree& tree, std::string_view source,
                                               const CopyFilter& filter, std::int64_t folder_time) {
    Patterns patterns;
    DBUILD_TRY_ASSIGN(patterns.excluded, compile(filter.excludes, "--exclude"));
    std::vector<Root> roots;
    if (filter.keeps_parents) {
        const auto pivot = source.find("/./");
        const auto base = pivot == source.npos ? std::string() : clean_path(source.substr(0, pivot));
        const auto pattern = clean_path(pivot == source.npos ? source : source.substr(pivot + 3));
        if (!has_wildcard(source)) DBUILD_TRY(tree.select(base + "/" + pattern)); // it must exist
        if (!pattern.empty()) {
            DBUILD_TRY_ASSIGN(patterns.included, compile({pattern}, "--parents"));
        }
        DBUILD_TRY_ASSIGN(roots, find_bases(tree, base, pattern));
    } else {
        DBUILD_TRY_ASSIGN(roots, find_roots(tree, source));
    }
    std::vector<SelectedTree> trees;
    for (const auto& root : roots) trees.push_back(take(tree, root, patterns, folder_time));
    return trees;
}

Digest selection_digest(std::vector<SelectedTree> trees, std::string_view source) {
    std::sort(trees.begin(), trees.end(), [](const auto& a, const auto& b) { return a.named < b.named; });
    std::string text = "dbuild filtered selection 1";
    for (auto& taken : trees) {
        const auto top = taken.items.front().entry.path.size();
        std::sort(taken.items.begin(), taken.items.end(),
                  [](const auto& a, const auto& b) { return a.entry.path < b.entry.path; });
        if (has_wildcard(source)) text += std::to_string(taken.named.size()) + ":" + taken.named;
        SubtreeHasher hasher;
        for (const auto& item : taken.items)
            hasher.add(
                std::string_view(item.entry.path).substr(item.entry.path.size() > top && top > 0 ? top + 1 : top),
                item.entry);
        text += hasher.finish().hex();
    }
    return sha256(text);
}

} // namespace dbuild::cache::oci
