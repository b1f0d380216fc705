// SPDX-License-Identifier: Apache-2.0
// A folder of this machine as the tree of a layer, and trees as text, to compare them in tests.
#pragma once

#include "cache/oci/layer_tar.hpp"
#include "support/files.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

namespace dbuild::executors::runtime {

inline cache::oci::LayerEntry entry_at(const std::filesystem::path& path, std::string name) {
    struct stat found {};
    REQUIRE_MESSAGE(::lstat(path.c_str(), &found) == 0, path.string());
    cache::oci::LayerEntry entry;
    entry.path = std::move(name);
    entry.type = cache::oci::entry_type_of(found.st_mode).value();
    entry.mode = found.st_mode & 07777;
    entry.uid = found.st_uid;
    entry.gid = found.st_gid;
    entry.mtime_seconds = found.st_mtim.tv_sec;
    if (entry.type == cache::oci::EntryType::file) {
        entry.size = static_cast<std::uint64_t>(found.st_size);
        entry.content = sha256(read_file(path).value());
    }
    if (entry.type == cache::oci::EntryType::symlink) entry.link_target = std::filesystem::read_symlink(path).string();
    entry.device_major = major(found.st_rdev);
    entry.device_minor = minor(found.st_rdev);
    char capability[64];
    const auto size = ::lgetxattr(path.c_str(), "security.capability", capability, sizeof capability);
    if (size > 0) entry.xattrs["security.capability"] = std::string(capability, static_cast<std::size_t>(size));
    return entry;
}

/// Everything in the folder but sockets; every name of a file as a file of its own.
inline cache::oci::FileTree tree_of(const std::filesystem::path& folder) {
    cache::oci::TableOfContents contents;
    for (const auto& item : std::filesystem::recursive_directory_iterator(folder))
        if (!item.is_socket() || item.is_symlink())
            contents.entries.push_back(entry_at(item.path(), item.path().lexically_relative(folder).string()));
    cache::oci::FileTree tree;
    tree.apply(contents);
    return tree;
}

/// Each with a blank after it.
inline std::string names_in(const std::filesystem::path& folder) {
    std::string names;
    const auto tree = tree_of(folder);
    for (const auto& [name, entry] : tree.entries()) names += name + " ";
    return names;
}

/// All that a layer says of an entry.
inline std::string describe(const cache::oci::LayerEntry& entry) {
    using cache::oci::EntryType;
    constexpr std::string_view types = "fdlhcbp"; // in the order of EntryType
    auto text = fmt::format("{} {} {:o} {}:{}", types[static_cast<std::size_t>(entry.type)], entry.path, entry.mode,
                            entry.uid, entry.gid);
    if (entry.type == EntryType::file && !entry.is_whiteout())
        text += fmt::format(" {} {}", entry.size, entry.size > 0 ? entry.content.hex().substr(0, 8) : "");
    if (!entry.link_target.empty()) text += " -> " + entry.link_target;
    if (entry.device_major + entry.device_minor > 0)
        text += fmt::format(" {},{}", entry.device_major, entry.device_minor);
    for (const auto& [name, value] : entry.xattrs)
        text += fmt::format(" {}={}", name, sha256(value).hex().substr(0, 8));
    return text;
}

/// Without the times of folders, which layers tell only by the way.
inline std::string describe(const cache::oci::FileTree& tree) {
    std::string text;
    for (const auto& [path, entry] : tree.entries()) {
        text += describe(entry);
        if (entry.type != cache::oci::EntryType::directory) text += fmt::format(" @{}", entry.mtime_seconds);
        text += "\n";
    }
    return text;
}

} // namespace dbuild::executors::runtime
