// SPDX-License-Identifier: Apache-2.0
// A layer while it is being made: a root file system that is known from tables of contents only, and the changes over
// it. No file of the root is read, and none is ever touched; paths are resolved inside the tree, so nothing can lead
// out of it. Source: what fsutil's copy does to a mounted overlay, and what containerd's differ then finds
// (../reference/executor.md §3.2).
#pragma once

#include "cache/oci/layer_tar.hpp"
#include "executors/in_process/layer_writer.hpp"
#include "support/result.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace dbuild::executors::in_process {

struct Owner {
    std::uint64_t uid = 0, gid = 0;
    friend bool operator==(const Owner&, const Owner&) = default;
};

/// Gives the bytes of a file of the root file system.
using ExistingFileReader = std::function<Result<BodyReader>(const std::string& path)>;

/// Names have no leading slash; "" is the root folder. `now` is in seconds since 1970.
class PendingLayer {
public:
    /// In: root — borrowed.
    PendingLayer(const cache::oci::FileTree& root, std::int64_t now) : root_(root), now_(now) {}

    /// The entry as it is now, not following it; nothing if there is none.
    std::optional<cache::oci::LayerEntry> find(const std::string& path) const;
    bool is_directory(const std::string& path) const;

    /// Follows every link, the last one too; what does not exist stays as it is written.
    /// In:     top — a folder, no link on the way to it, below which the path begins and which neither links nor ".."
    /// leave. Errors: step_failed — links that never end.
    Result<std::string> resolve(std::string_view path, const std::string& top = {}) const;

    /// Makes the folders that are missing, 0755. Errors: step_failed — something else stands in the way.
    Status make_directories(const std::string& path, Owner owner);

    /// Puts an entry in the place of what is there; its folder exists and was just changed by that.
    /// In: link_group — files with the same text are names of one file; may be empty. body — as LayerWriter::add.
    void put(cache::oci::LayerEntry entry, std::string link_group = {}, BodyReader body = nullptr);

    /// Takes away what is there, with all below it.
    void remove(const std::string& path);

    /// Makes one more name of a file, whose mode, owner and time become those of the entry.
    /// In:     entry — a hard link at a path where nothing is; its target, not followed, stands in this tree.
    /// Errors: step_failed — no target, or a folder; what read_existing fails with.
    Status link(const cache::oci::LayerEntry& entry, const ExistingFileReader& read_existing);

    /// A folder's time is set after its content was changed. No effect on the root folder, of which layers say nothing.
    void set_time(const std::string& folder, std::int64_t mtime_seconds);

    /// Hands on what differs from the root, each entry below all its folders.
    /// Errors: unsupported — a file's name begins with ".wh."; the sink's.
    Status send(const cache::oci::EntrySink& sink) const;

    /// Writes the same as a tar.
    /// In:     contents — gets what was written; may be null.
    /// Errors: as send; as LayerWriter.
    Result<LayerWriter::Written> write(const std::filesystem::path& path,
                                       cache::oci::TableOfContents* contents = nullptr) const;

private:
    struct Node {
        cache::oci::LayerEntry entry;
        std::string link_group;
        BodyReader body;
    };
    /// A folder stands right before what is in it; names in it are sorted by bytes.
    struct WalkOrder {
        bool operator()(std::string_view a, std::string_view b) const { return cache::oci::is_walked_before(a, b); }
    };
    bool is_in_root(const Node& node) const;
    bool is_removed(std::string_view path) const;
    std::vector<std::string> whiteouts() const;
    void touch(const std::string& folder);

    const cache::oci::FileTree& root_;
    std::int64_t now_;
    std::map<std::string, Node, WalkOrder> changed_;
    std::set<std::string, std::less<>> removed_; // of the root, with all below
    int links_ = 0;                              // groups that link() made
};

} // namespace dbuild::executors::in_process
