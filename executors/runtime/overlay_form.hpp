// SPDX-License-Identifier: Apache-2.0
// Which layers a folder can hold, exactly, in the form that overlayfs takes as a lower layer: there a whiteout is a
// character device 0:0 with the name that it hides, and an opaque folder has an extended attribute. Nothing is read or
// written here. Source: ../reference/executor.md §3.1 and §3.3, which is what containerd does.
#pragma once

#include "cache/oci/layer_tar.hpp"
#include "support/result.hpp"

#include <functional>
#include <map>
#include <string>

namespace dbuild::executors::runtime {

/// Entries, borrowed, by the path that each has in the folder.
using EntryIndex = std::map<std::string, const cache::oci::LayerEntry*, std::less<>>;

/// The path that an entry has in the folder: a whiteout has the name that it hides, an opaque marker its own.
std::string path_in_folder(const cache::oci::LayerEntry& entry);

/// For who has the table of contents before the bytes, too.
/// Out:    all entries; of two for one folder, the last one. Each stands below a folder that is in the index, or below
///         the root.
/// Errors: unsupported — an entry whose parent folder is none, or has no entry of its own (its attributes are those of
///         a layer below); two entries for one path, unless both are folders; a hard link to nothing that stands before
///         it, or with other attributes; a name with ".wh." that is no whiteout, or makes the root opaque; a device
///         0:0; an attribute "trusted.…"; owners and device numbers that Linux lacks; a symlink to nothing.
Result<EntryIndex> check_overlay_form(const cache::oci::TableOfContents& contents);

} // namespace dbuild::executors::runtime
