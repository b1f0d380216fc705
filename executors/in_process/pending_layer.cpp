// SPDX-License-Identifier: Apache-2.0
#include "executors/in_process/pending_layer.hpp"

#include "cache/oci/path_walk.hpp"

#include <algorithm>

namespace dbuild::executors::in_process {
namespace {

using cache::oci::EntryType;
using cache::oci::LayerEntry;
using cache::oci::parent_path;

constexpr std::uint32_t k_directory_mode = 0755;

/// The one attribute beside mode and owner that a layer can hold.
std::string capability_of(const LayerEntry& entry) {
    const auto found = entry.xattrs.find("security.capability");
    return found == entry.xattrs.end() ? std::string() : found->second;
}

} // namespace

std::optional<LayerEntry> PendingLayer::find(const std::string& path) const {
    if (const auto changed = changed_.find(path); changed != changed_.end()) return changed->second.entry;
    if (is_removed(path)) return std::nullopt;
    if (const auto* entry = root_.find(path)) return *entry;
    const auto& entries = root_.entries();
    const auto below = entries.lower_bound(path + "/"); // a tar may leave out parent folders
    const bool is_implied = path.empty() || (below != entries.end() && below->first.starts_with(path + "/"));
    if (!is_implied) return std::nullopt;
    LayerEntry folder;
    folder.path = path;
    folder.type = EntryType::directory;
    folder.mode = k_directory_mode;
    folder.mtime_seconds = now_;
    return folder;
}

bool PendingLayer::is_directory(const std::string& path) const {
    const auto entry = find(path);
    return entry && entry->type == EntryType::directory;
}

bool PendingLayer::is_removed(std::string_view path) const {
    if (removed_.empty()) return false;
    for (auto slash = path.find('/');; slash = path.find('/', slash + 1)) {
        if (removed_.contains(path.substr(0, slash))) return true;
        if (slash == path.npos) return false;
    }
}

Result<std::string> PendingLayer::resolve(std::string_view path, const std::string& top) const {
    auto resolved = cache::oci::follow_links(
        path,
        [&](const std::string& next) -> Result<std::optional<std::string>> {
            auto entry = find(next);
            if (!entry || entry->type != EntryType::symlink) return std::nullopt;
            return std::move(entry->link_target);
        },
        top);
    if (!resolved) return fail(ErrorKind::step_failed, resolved.error().message);
    return resolved;
}

void PendingLayer::touch(const std::string& folder) { set_time(folder, now_); }

void PendingLayer::set_time(const std::string& folder, std::int64_t mtime_seconds) {
    if (folder.empty()) return;
    auto entry = find(folder);
    if (!entry) return;
    entry->mtime_seconds = mtime_seconds;
    changed_[folder].entry = std::move(*entry);
}

Status PendingLayer::make_directories(const std::string& path, Owner owner) {
    if (const auto entry = find(path)) {
        if (entry->type == EntryType::directory) return {};
        return fail(ErrorKind::step_failed, "mkdir /" + path + ": not a directory");
    }
    DBUILD_TRY(make_directories(parent_path(path), owner));
    LayerEntry folder;
    folder.path = path;
    folder.type = EntryType::directory;
    folder.mode = k_directory_mode;
    folder.uid = owner.uid;
    folder.gid = owner.gid;
    folder.mtime_seconds = now_;
    put(std::move(folder));
    return {};
}

void PendingLayer::put(LayerEntry entry, std::string link_group, BodyReader body) {
    touch(parent_path(entry.path));
    auto path = entry.path;
    changed_.insert_or_assign(std::move(path), Node{std::move(entry), std::move(link_group), std::move(body)});
}

void PendingLayer::remove(const std::string& path) {
    touch(parent_path(path));
    const auto is_inside = [&](const auto& changed) {
        return changed.first == path || changed.first.starts_with(path + "/");
    };
    std::erase_if(changed_, is_inside);
    removed_.insert(path);
}

Status PendingLayer::link(const LayerEntry& entry, const ExistingFileReader& read_existing) {
    const auto target = find(entry.link_target);
    if (!target || target->type == EntryType::directory)
        return fail(ErrorKind::step_failed, "cannot link /" + entry.path + " to /" + entry.link_target + ": " +
                                                (target ? "a folder" : "no such file"));
    auto known = changed_.find(entry.link_target);
    if (known == changed_.end()) {
        BodyReader body;
        if (target->type == EntryType::file && target->size > 0) {
            DBUILD_TRY_ASSIGN(body, read_existing(entry.link_target));
        }
        known = changed_.emplace(entry.link_target, Node{*target, {}, std::move(body)}).first;
    }
    auto& node = known->second;
    if (node.link_group.empty()) node.link_group = "linked " + std::to_string(links_++);
    auto made = node;
    made.entry.path = entry.path;
    put(made.entry, made.link_group, made.body);
    for (auto& [path, other] : changed_) {
        if (other.link_group != made.link_group) continue;
        other.entry.uid = entry.uid;
        other.entry.gid = entry.gid;
        if (other.entry.type == EntryType::symlink) continue;
        other.entry.mode = entry.mode;
        other.entry.mtime_seconds = entry.mtime_seconds;
    }
    return {};
}

/// Names of the root that are gone from folders that are still there.
std::vector<std::string> PendingLayer::whiteouts() const {
    std::vector<std::string> gone;
    for (const auto& top : removed_) {
        const auto& entries = root_.entries();
        for (auto it = entries.lower_bound(top); it != entries.end() && it->first.starts_with(top); ++it) {
            const auto& path = it->first;
            const bool is_inside = path.size() == top.size() || path[top.size()] == '/';
            if (is_inside && !find(path) && is_directory(parent_path(path))) gone.push_back(path);
        }
    }
    return gone;
}

/// Times of folders do not count. Those of files do, in seconds: a layer holds no finer ones. A content that is not
/// known is another one.
bool PendingLayer::is_in_root(const Node& node) const {
    const auto& now = node.entry;
    const auto* before = root_.find(now.path);
    if (!before || before->type != now.type || before->uid != now.uid || before->gid != now.gid ||
        capability_of(*before) != capability_of(now))
        return false;
    if (now.type != EntryType::symlink && before->mode != now.mode) return false;
    if (now.type == EntryType::directory) return true;
    return before->mtime_seconds == now.mtime_seconds && before->size == now.size && before->content == now.content &&
           before->link_target == now.link_target && before->device_major == now.device_major &&
           before->device_minor == now.device_minor;
}

Status PendingLayer::send(const cache::oci::EntrySink& sink) const {
    std::set<std::string, std::less<>> folders;                  // written
    std::map<std::string, std::string, std::less<>> first_names; // by link group
    const auto add_folders = [&](std::string_view below) -> Status {
        for (auto slash = below.find('/'); slash != below.npos; slash = below.find('/', slash + 1)) {
            const auto [folder, is_new] = folders.emplace(below.substr(0, slash));
            if (is_new) DBUILD_TRY(sink(*find(*folder), nullptr));
        }
        return {};
    };
    const auto add_whiteout = [&](const std::string& gone) -> Status {
        LayerEntry whiteout;
        const auto name_begin = gone.rfind('/') + 1; // 0 in the root
        whiteout.path = gone.substr(0, name_begin) + ".wh." + gone.substr(name_begin);
        DBUILD_TRY(add_folders(whiteout.path));
        return sink(whiteout, nullptr);
    };
    std::map<std::string_view, const Node*, WalkOrder> walked; // null: gone
    const auto gone = whiteouts();
    for (const auto& name : gone) walked.emplace(name, nullptr);
    for (const auto& [name, node] : changed_) walked.emplace(name, &node);
    for (const auto& [path_walked, changed] : walked) {
        const std::string name(path_walked);
        if (!changed) {
            DBUILD_TRY(add_whiteout(name));
            continue;
        }
        const auto& node = *changed;
        if (folders.contains(name) || is_in_root(node)) continue;
        // A file for the builder that unpacked it here, a whiteout for everybody who gets the layer: only BuildKit has
        // both.
        if (node.entry.is_whiteout())
            return fail(ErrorKind::unsupported, "a file that is named like a whiteout: /" + name);
        DBUILD_TRY(add_folders(name));
        if (node.entry.type == EntryType::directory) folders.insert(name);
        auto entry = node.entry;
        if (!node.link_group.empty()) {
            const auto [first, is_new] = first_names.emplace(node.link_group, name);
            if (!is_new) {
                entry.type = EntryType::hard_link;
                entry.link_target = first->second;
            }
        }
        DBUILD_TRY(sink(std::move(entry), node.body));
    }
    return {};
}

Result<LayerWriter::Written> PendingLayer::write(const std::filesystem::path& path,
                                                 cache::oci::TableOfContents* contents) const {
    DBUILD_TRY_ASSIGN(auto writer, LayerWriter::create(path));
    DBUILD_TRY(send([&](LayerEntry entry, const BodyReader& body) -> Status {
        DBUILD_TRY_ASSIGN(auto added, writer.add(std::move(entry), body));
        if (contents) contents->entries.push_back(std::move(added));
        return {};
    }));
    return writer.finish();
}

} // namespace dbuild::executors::in_process
