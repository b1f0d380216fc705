// SPDX-License-Identifier: Apache-2.0
#include "cache/context/context_tree.hpp"

#include "cache/context/context_view.hpp"
#include "cache/context/stat_cache.hpp"
#include "dockerfile_parser/glob.hpp"

#include <algorithm>
#include <fcntl.h>
#include <map>
#include <mutex>

namespace fs = std::filesystem;

namespace dbuild::cache::context {
namespace {

using dockerfile_parser::has_wildcard;

using oci::LayerEntry;

// Changing what is hashed under it changes every key: raise the version.
constexpr std::string_view k_selection_schema = "dbuild context selection 1";

Digest subtree_digest(const FolderTree& tree, const std::string& path) {
    oci::SubtreeHasher hasher;
    if (const auto place = tree.find(path)) // absent: a link to something ignored
        tree.visit(*place, [&](std::string_view name, const Folder& folder, const Node& node) {
            hasher.add(name, tree.entry_of(folder, node));
        });
    return hasher.finish();
}

Digest digest_of(const FolderTree& tree, std::string_view source, const std::vector<ContextView::Target>& targets) {
    std::string encoded(k_selection_schema);
    for (const auto& [path, target] : targets) {
        if (has_wildcard(source)) encoded += std::to_string(path.size()) + ":" + path;
        encoded += subtree_digest(tree, target).hex();
    }
    return sha256(encoded);
}

std::string below(const std::string& path, std::string_view name) {
    if (path.empty() || name.empty()) return path + std::string(name);
    return path + "/" + std::string(name);
}

/// What must not move while somebody else reads the file. The change time tells of bytes that were others for a while,
/// too; but not of a change within one tick of its clock.
bool is_same(const FolderTree& before, const FolderTree::Place& a, const FolderTree& after,
             const FolderTree::Place& b) {
    if (a.node->mode != b.node->mode || a.node->changed_ns != b.node->changed_ns) return false;
    const auto old = before.entry_of(*a.folder, *a.node), now = after.entry_of(*b.folder, *b.node);
    return old.size == now.size && old.content == now.content && old.link_target == now.link_target &&
           old.xattrs == now.xattrs;
}

/// Nothing, or the first name at or below `path` that is not the same in both trees.
std::optional<std::string> first_difference(const FolderTree& before, const FolderTree& after,
                                            const std::string& path) {
    std::vector<std::pair<std::string, FolderTree::Place>> known;
    if (const auto place = before.find(path))
        before.visit(*place, [&](std::string_view name, const Folder& folder, const Node& node) {
            known.emplace_back(name, FolderTree::Place{&folder, &node});
        });
    std::size_t next = 0;
    std::optional<std::string> difference;
    if (const auto place = after.find(path))
        after.visit(*place, [&](std::string_view name, const Folder& folder, const Node& node) {
            if (difference) return;
            if (next == known.size() || known[next].first != name ||
                !is_same(before, known[next].second, after, {&folder, &node}))
                difference = name;
            ++next;
        });
    if (!difference && next < known.size()) difference = known[next].first;
    if (!difference) return std::nullopt;
    return below(path, *difference);
}

} // namespace

struct ContextTree::Impl {
    struct Selection {
        Digest digest;
        std::vector<ContextView::Target> targets; // as they were found when the digest was made
    };

    Impl(ContextRoot opened, StatCache stats)
        : root(std::move(opened)), cache(std::move(stats)), view(root, cache, StatCache::Trust::in_this_run, counters) {
    }

    Result<const Selection*> selection(std::string_view source) {
        if (const auto known = selections.find(source); known != selections.end()) return &known->second;
        DBUILD_TRY_ASSIGN(auto targets, view.targets(source));
        const auto digest = digest_of(view.tree(), source, targets);
        return &selections.emplace(source, Selection{digest, std::move(targets)}).first->second;
    }

    ContextRoot root;
    StatCache cache;
    ContextCounters counters;
    ContextView view;
    std::map<std::string, Selection, std::less<>> selections; // by source text
    std::mutex mutex; // of all above, for images that are built from this context at once
};

ContextTree::ContextTree(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ContextTree::ContextTree(ContextTree&&) noexcept = default;
ContextTree::~ContextTree() = default;
ContextCounters ContextTree::counters() const {
    const std::lock_guard lock(impl_->mutex);
    return impl_->counters;
}

Result<ContextTree> ContextTree::open(fs::path root, PathPredicate is_ignored, PathPredicate can_skip_directory,
                                      fs::path stat_folder) {
    Fd fd(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd.is_open()) return fail(ErrorKind::unavailable, "build context " + root.string() + " is not a folder");
    std::error_code error;
    if (auto absolute = fs::canonical(root, error); !error) root = std::move(absolute);
    auto cache = StatCache::open(std::move(stat_folder), fd.get());
    ContextRoot opened{std::move(root), std::move(fd), std::move(is_ignored), std::move(can_skip_directory)};
    return ContextTree(std::make_unique<Impl>(std::move(opened), std::move(cache)));
}

Result<Digest> ContextTree::source_digest(std::string_view source) {
    const std::lock_guard lock(impl_->mutex);
    DBUILD_TRY_ASSIGN(const auto* selection, impl_->selection(source));
    return selection->digest;
}

Result<std::vector<std::pair<std::string, Digest>>> ContextTree::files_of(std::string_view source) {
    const std::lock_guard lock(impl_->mutex);
    DBUILD_TRY_ASSIGN(const auto* selection, impl_->selection(source));
    std::vector<std::pair<std::string, Digest>> files;
    const auto& tree = impl_->view.tree();
    for (const auto& [path, target] : selection->targets)
        if (const auto place = tree.find(target))
            tree.visit(*place, [&, &top = target](std::string_view name, const Folder&, const Node& node) {
                if (S_ISREG(node.mode) || S_ISSOCK(node.mode)) files.emplace_back(below(top, name), node.content);
            });
    return files;
}

Result<std::vector<oci::SelectedPath>> ContextTree::select(std::string_view source) {
    const std::lock_guard lock(impl_->mutex);
    DBUILD_TRY_ASSIGN(const auto* selection, impl_->selection(source));
    std::vector<oci::SelectedPath> selected;
    for (const auto& [path, target] : selection->targets)
        selected.push_back({has_wildcard(source) ? path : oci::clean_path(source), target});
    std::sort(selected.begin(), selected.end(),
              [](const auto& a, const auto& b) { return oci::is_walked_before(a.named, b.named); });
    return selected;
}

std::optional<LayerEntry> ContextTree::find(const std::string& path) const {
    const std::lock_guard lock(impl_->mutex);
    const auto place = impl_->view.tree().find(path);
    if (!place || !place->node) return std::nullopt;
    auto entry = impl_->view.tree().entry_of(*place->folder, *place->node);
    entry.path = path;
    return entry;
}

std::vector<LayerEntry> ContextTree::subtree(const std::string& path, std::int64_t now) const {
    const std::lock_guard lock(impl_->mutex);
    std::vector<LayerEntry> entries;
    const auto& tree = impl_->view.tree();
    const auto place = tree.find(path);
    if (!place || !place->node) {
        auto& folder = entries.emplace_back();
        folder.path = path;
        folder.type = oci::EntryType::directory;
        folder.mode = 0755;
        folder.mtime_seconds = now;
    }
    if (place)
        tree.visit(*place, [&](std::string_view name, const Folder& folder, const Node& node) {
            entries.push_back(tree.entry_of(folder, node));
            entries.back().path = below(path, name);
        });
    return entries;
}

Status ContextTree::verify_unchanged(std::string_view source) {
    const std::lock_guard lock(impl_->mutex);
    DBUILD_TRY_ASSIGN(const auto* selection, impl_->selection(source));
    const auto changed = [](const std::string& path) {
        return fail(ErrorKind::transient, "the build context changed while it was used: /" + path);
    };
    ContextView now(impl_->root, impl_->cache, StatCache::Trust::proven, impl_->counters);
    const auto targets = now.targets(source);
    if (!targets && targets.error().kind != ErrorKind::not_found) return fail(targets.error());
    if (!targets || *targets != selection->targets) return changed(oci::clean_path(source));
    for (const auto& [path, target] : *targets)
        if (const auto difference = first_difference(impl_->view.tree(), now.tree(), target))
            return changed(*difference);
    return {};
}

bool ContextTree::is_known() const { return !impl_->cache.is_empty(); }

Status ContextTree::save_stat_cache() {
    const std::lock_guard lock(impl_->mutex);
    return impl_->cache.save();
}

oci::SourceTree source_tree_of(ContextTree& context) {
    return {
        [&context](std::string_view source) { return context.select(source); },
        [&context](const std::string& path) { return context.find(path); },
        [&context](const std::string& path, std::int64_t folder_time) { return context.subtree(path, folder_time); }};
}

} // namespace dbuild::cache::context
