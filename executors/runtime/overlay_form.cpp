// SPDX-License-Identifier: Apache-2.0
#include "executors/runtime/overlay_form.hpp"

#include <fmt/format.h>

#include <string_view>

namespace dbuild::executors::runtime {
namespace {

using cache::oci::EntryType;
using cache::oci::LayerEntry;
using cache::oci::parent_path;

constexpr std::string_view k_whiteout_prefix = ".wh.";
constexpr std::uint64_t k_max_owner = 0xfffffffe;                   // the next one means "as it is" to chown
constexpr std::uint32_t k_max_major = 0xfff, k_max_minor = 0xfffff; // of Linux' device numbers

tl::unexpected<Error> refused(std::string_view path, std::string_view why) {
    return fail(ErrorKind::unsupported, fmt::format("layer entry /{}: {}", path, why));
}

Status check_whiteout(const LayerEntry& entry) {
    const auto path = path_in_folder(entry);
    const auto hidden = path.substr(path.rfind('/') + 1);
    // overlayfs asks all of its lower layers for what is in the root, whatever the root's attributes say.
    const bool is_proper = entry.is_opaque_marker() ? !parent_path(entry.path).empty()
                                                    : !hidden.empty() && hidden != "." && hidden != ".." &&
                                                          !hidden.starts_with(k_whiteout_prefix);
    if (is_proper && entry.type == EntryType::file && entry.size == 0) return {};
    return refused(entry.path, "no whiteout that overlayfs could hold");
}

Status check_entry(const LayerEntry& entry) {
    if (entry.is_whiteout()) return check_whiteout(entry);
    if (entry.path.empty() && entry.type != EntryType::directory) return refused("", "the root is no folder");
    if (entry.type == EntryType::symlink && entry.link_target.empty()) return refused(entry.path, "a link to nothing");
    if (entry.uid > k_max_owner || entry.gid > k_max_owner) return refused(entry.path, "an owner that Linux lacks");
    if (entry.device_major > k_max_major || entry.device_minor > k_max_minor)
        return refused(entry.path, "a device number that Linux lacks");
    if (entry.type == EntryType::character_device && entry.device_major == 0 && entry.device_minor == 0)
        return refused(entry.path, "a device that overlayfs takes for a whiteout");
    for (const auto& [name, value] : entry.xattrs)
        if (name.starts_with("trusted.")) return refused(entry.path, "the extended attribute " + name);
    return {};
}

/// In: index — of the entries that stand before it in the tar.
Status check_hard_link(const LayerEntry& entry, const EntryIndex& index) {
    const auto found = index.find(entry.link_target);
    if (found == index.end() || found->second->is_whiteout() || found->second->type == EntryType::directory)
        return refused(entry.path,
                       "a hard link to /" + entry.link_target + ", which is no file before it in the layer");
    const auto& target = *found->second;
    const bool is_same = entry.mode == target.mode && entry.uid == target.uid && entry.gid == target.gid &&
                         entry.mtime_seconds == target.mtime_seconds &&
                         (entry.xattrs.empty() || entry.xattrs == target.xattrs);
    return is_same ? Status() : refused(entry.path, "a hard link with other attributes than /" + entry.link_target);
}

Status check_parent(const std::string& path, const EntryIndex& index) {
    const auto parent = parent_path(path);
    if (parent.empty()) return {};
    const auto found = index.find(parent);
    if (found == index.end())
        return refused(path, "its folder has no entry in this layer, so it has the attributes of a layer below");
    return found->second->type == EntryType::directory ? Status() : refused(path, "/" + parent + " is no folder");
}

} // namespace

std::string path_in_folder(const LayerEntry& entry) {
    auto path = entry.path;
    if (entry.is_whiteout() && !entry.is_opaque_marker()) path.erase(path.rfind('/') + 1, k_whiteout_prefix.size());
    return path;
}

Result<EntryIndex> check_overlay_form(const cache::oci::TableOfContents& contents) {
    EntryIndex index;
    for (const auto& entry : contents.entries) {
        DBUILD_TRY(check_entry(entry));
        if (entry.type == EntryType::hard_link) DBUILD_TRY(check_hard_link(entry, index));
        const auto [known, is_new] = index.try_emplace(path_in_folder(entry), &entry);
        if (is_new) continue;
        if (entry.type != EntryType::directory || known->second->type != EntryType::directory)
            return refused(entry.path, "two entries for one path");
        known->second = &entry;
    }
    for (const auto& [path, entry] : index) DBUILD_TRY(check_parent(path, index));
    return index;
}

} // namespace dbuild::executors::runtime
