// SPDX-License-Identifier: Apache-2.0
#include "cache/context/folder_tree.hpp"

#include <algorithm>

namespace dbuild::cache::context {
namespace {

using oci::EntryType;

EntryType type_of(const Node& node) {
    return oci::entry_type_of(node.mode).value_or(EntryType::file); // of a socket: the one kind that has no type
}

const Node* find_node(const Folder& folder, std::string_view name) {
    const auto found =
        std::lower_bound(folder.nodes.begin(), folder.nodes.end(), name,
                         [&](const Node& node, std::string_view wanted) { return folder.name_of(node) < wanted; });
    const bool is_there = found != folder.nodes.end() && folder.name_of(*found) == name && !found->is_absent();
    return is_there ? &*found : nullptr;
}

/// Whether everything below `directory` comes before `name`, which comes after `directory` itself: "a" < "a-b" < "a/x"
/// < "a0".
bool ends_before(std::string_view directory, std::string_view name) {
    return !name.starts_with(directory) || static_cast<unsigned char>(name[directory.size()]) > '/';
}

} // namespace

std::string Folder::path_of(const Node& node) const {
    std::string full = path;
    if (!full.empty()) full += '/';
    return full += name_of(node);
}

void Folder::set_detail(Node& node, NodeDetail detail) {
    node.below = static_cast<std::uint32_t>(details.size());
    details.push_back(std::move(detail));
}

std::uint32_t FolderTree::add(std::string path) {
    folders_.emplace_back().path = std::move(path);
    return static_cast<std::uint32_t>(folders_.size() - 1);
}

std::optional<std::uint32_t> FolderTree::root_folder(const std::string& path) const {
    const auto root = roots_.find(path);
    if (root == roots_.end()) return std::nullopt;
    if (path.empty()) return root->second;
    const auto& holder = at(root->second);
    if (holder.nodes.empty() || !holder.nodes.front().is_directory()) return std::nullopt;
    return holder.nodes.front().below;
}

/// The shortest known path at or above `path`; a view without data if there is none.
std::string_view FolderTree::root_above(std::string_view path) const {
    if (roots_.contains(std::string_view(""))) return path.substr(0, 0);
    for (std::size_t end = 0; end < path.size();) {
        end = std::min(path.find('/', end + 1), path.size());
        if (roots_.contains(path.substr(0, end))) return path.substr(0, end);
    }
    return {};
}

bool FolderTree::is_known(std::string_view path) const {
    return roots_.contains(std::string_view("")) || !root_above(path).empty();
}

std::optional<FolderTree::Place> FolderTree::find(std::string_view path) const {
    if (!is_known(path)) return std::nullopt;
    const auto root = root_above(path);
    Place place{&at(roots_.find(root)->second), nullptr};
    auto rest = path.substr(root.size());
    if (!root.empty()) {
        if (place.folder->nodes.empty() || place.folder->nodes.front().is_absent()) return std::nullopt;
        place.node = &place.folder->nodes.front();
    }
    while (!rest.empty()) {
        if (rest.front() == '/') rest.remove_prefix(1);
        const auto name = rest.substr(0, rest.find('/'));
        rest.remove_prefix(name.size());
        if (place.node && !place.node->is_directory()) return std::nullopt;
        if (place.node) place.folder = &at(place.node->below);
        place.node = find_node(*place.folder, name);
        if (!place.node) return std::nullopt;
    }
    return place;
}

void FolderTree::visit(const Place& place, const Visitor& visitor) const {
    std::string name;
    if (!place.node) return visit_below(*place.folder, name, visitor);
    visitor(name, *place.folder, *place.node);
    if (place.node->is_directory()) visit_below(at(place.node->below), name, visitor);
}

void FolderTree::visit_below(const Folder& folder, std::string& name, const Visitor& visitor) const {
    const auto above = name.size();
    std::vector<const Node*> entered; // directories whose content is still to come, innermost prefix last
    const auto set_name = [&](const Node& node) {
        name.resize(above);
        if (above != 0) name += '/';
        name += folder.name_of(node);
    };
    const auto enter_last = [&] {
        const auto& node = *entered.back();
        entered.pop_back();
        set_name(node);
        visit_below(at(node.below), name, visitor);
    };
    for (const auto& node : folder.nodes) {
        if (node.is_absent()) continue;
        while (!entered.empty() && ends_before(folder.name_of(*entered.back()), folder.name_of(node))) enter_last();
        set_name(node);
        visitor(name, folder, node);
        if (node.is_directory()) entered.push_back(&node);
    }
    while (!entered.empty()) enter_last();
    name.resize(above);
}

oci::LayerEntry FolderTree::entry_of(const Folder& folder, const Node& node) const {
    oci::LayerEntry entry;
    entry.type = type_of(node);
    entry.mode = node.mode & 07777;
    entry.size = node.size;
    entry.mtime_seconds = node.mtime_seconds;
    entry.content = node.content;
    if (node.is_directory()) {
        entry.xattrs = at(node.below).xattrs;
    } else if (node.below != Node::k_none) {
        const auto& detail = folder.details[node.below];
        entry.xattrs = detail.xattrs;
        entry.link_target = detail.link_target;
        entry.device_major = detail.device_major;
        entry.device_minor = detail.device_minor;
    }
    return entry;
}

void FolderTree::prune(std::uint32_t folder) {
    for (auto& node : at(folder).nodes) {
        if (!node.is_directory()) continue;
        prune(node.below);
        const auto& below = at(node.below);
        const bool is_empty =
            std::all_of(below.nodes.begin(), below.nodes.end(), [](const Node& child) { return child.is_absent(); });
        if (below.is_left_out && is_empty) node.mode = 0;
    }
}

} // namespace dbuild::cache::context
