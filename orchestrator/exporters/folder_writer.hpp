// SPDX-License-Identifier: Apache-2.0
// Puts files into a folder that may hold others: what has the name already is replaced, folders are merged, nothing
// else goes. A link in the folder is never followed. Source: fsutil's DiskWriter, by which docker buildx writes
// --output type=local.
#pragma once

#include "cache/oci/layer_tar.hpp"
#include "support/files.hpp"

#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace dbuild::orchestrator::exporters {

/// Everything belongs to the user of this process; modes, times and extended attributes are the entries'.
/// Errors of all: unavailable — the disk, or what this user may not make (devices).
class FolderWriter {
public:
    /// In: folder — made, with its parents, where it is missing.
    static Result<FolderWriter> open(const std::filesystem::path& folder);

    /// Anything but a hard link or a file that has bytes, in a folder that was added before it.
    Status add(const cache::oci::LayerEntry& entry);

    /// A file whose bytes come by append(). It gets its names, the entry's and those of hard links to it, when it is
    /// whole.
    Status begin_file(const cache::oci::LayerEntry& entry);
    Status append(std::string_view bytes);
    /// Errors: corrupt — another number of bytes than the entry says.
    Status end_file(std::span<const std::string> other_names);

    /// After the last entry: what is made in a folder changes its time, and may need more than its mode allows.
    Status finish();

private:
    /// An open folder and a name in it.
    struct Place {
        int folder = -1;
        std::string name;
    };
    FolderWriter(std::filesystem::path path, Fd root) : path_(std::move(path)), root_(std::move(root)) {}
    Result<Place> place_of(const std::string& path);
    Status put_in_place(const Place& place, const std::string& path);
    Status create_file(const cache::oci::LayerEntry& entry);
    tl::unexpected<Error> failed(const char* verb, const std::string& path) const;

    std::filesystem::path path_; // for messages
    Fd root_;
    Fd parent_; // the folder at parent_path_; closed: the root
    std::string parent_path_;
    std::vector<cache::oci::LayerEntry> folders_; // in the order in which they were added
    Fd file_;                                     // that append() writes
    cache::oci::LayerEntry file_entry_;
    std::uint64_t received_ = 0; // bytes of it
};

} // namespace dbuild::orchestrator::exporters
