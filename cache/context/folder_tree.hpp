// SPDX-License-Identifier: Apache-2.0
// What was looked at in a build context, kept small: per folder one array of nodes and one string of names, 72 bytes a
// file besides. How it gets there is folder_walk.hpp's and file_hasher.hpp's business.
#pragma once

#include "cache/oci/layer_tar.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <vector>

namespace dbuild::cache::context {

using Xattrs = std::map<std::string, std::string>;

/// What few nodes have: a link's text, extended attributes, device numbers.
struct NodeDetail {
    std::string link_target;
    Xattrs xattrs;
    std::uint32_t device_major = 0, device_minor = 0;
};

/// One name in a folder.
struct Node {
    static constexpr std::uint32_t k_none = UINT32_MAX;
    Digest content;         // of a file; zero until it is hashed
    std::uint64_t size = 0; // of a regular file
    std::int64_t mtime_seconds = 0;
    std::uint64_t changed_ns = 0; // ctime, only for comparing
    std::uint32_t name_begin = 0;
    std::uint32_t below =
        k_none;             // a directory: its folder's number; anything else: its detail in the folder that lists it
    std::uint16_t mode = 0; // as in st_mode, with the type; 0: left out after all
    std::uint16_t name_size = 0;

    bool is_directory() const { return S_ISDIR(mode); }
    bool is_absent() const { return mode == 0; }
};

struct Folder {
    std::string path;        // from the context's root; "" is the root
    std::vector<Node> nodes; // sorted by the bytes of their names
    std::string names;
    std::vector<NodeDetail> details;
    Xattrs xattrs;            // its own
    bool is_left_out = false; // ignored: stays only if something below is not

    std::string_view name_of(const Node& node) const {
        return std::string_view(names).substr(node.name_begin, node.name_size);
    }
    std::string path_of(const Node& node) const;
    void set_detail(Node& node, NodeDetail detail);
};

class FolderTree {
public:
    /// A path that is there: its node and the folder that lists it. The context's root has no node, and is its own
    /// folder.
    struct Place {
        const Folder* folder = nullptr;
        const Node* node = nullptr;
    };

    /// A new, empty folder that nothing names yet. Numbers stay valid, and so do references.
    std::uint32_t add(std::string path);
    Folder& at(std::uint32_t number) { return folders_[number]; }
    const Folder& at(std::uint32_t number) const { return folders_[number]; }

    /// Makes a path known with everything below it. In: holder — a folder with this one node, or the root's own folder.
    void set_root(const std::string& path, std::uint32_t holder) { roots_[path] = holder; }
    /// The folder of a directory that set_root was called for.
    std::optional<std::uint32_t> root_folder(const std::string& path) const;

    /// Nothing for what is not there, is ignored, or was not looked at.
    std::optional<Place> find(std::string_view path) const;
    /// Whether the path lies at or below one that set_root was called for.
    bool is_known(std::string_view path) const;

    /// Calls `visitor` for the place (name "") and everything below it, in the order of the bytes of whole paths. The
    /// context's root itself is not visited.
    using Visitor = std::function<void(std::string_view name, const Folder& folder, const Node& node)>;
    void visit(const Place& place, const Visitor& visitor) const;

    /// All but the path. A socket arrives in the builder as an empty file.
    oci::LayerEntry entry_of(const Folder& folder, const Node& node) const;

    /// Marks ignored folders below `folder` absent in which nothing is left.
    void prune(std::uint32_t folder);

private:
    std::string_view root_above(std::string_view path) const;
    void visit_below(const Folder& folder, std::string& name, const Visitor& visitor) const;

    std::deque<Folder> folders_;
    std::map<std::string, std::uint32_t, std::less<>> roots_;
};

} // namespace dbuild::cache::context
