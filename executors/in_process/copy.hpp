// SPDX-License-Identifier: Apache-2.0
// COPY, ADD of what is no archive, and WORKDIR, as changes of a PendingLayer. Which files a source selects was decided
// before; here is decided where they go, and with which owner, mode and time. Source: fsutil's copy as BuildKit 0.13
// calls it; ../reference/buildkit-semantics.md §5.1, ../reference/executor.md §4.
#pragma once

#include "executors/in_process/mode_change.hpp"
#include "executors/in_process/pending_layer.hpp"
#include "support/files.hpp"

#include <memory>
#include <vector>

namespace dbuild::executors::in_process {

struct CopiedEntry {
    cache::oci::LayerEntry entry; // `path` in the source's tree; owner as it is there (0:0 in a context)
    std::string link_group;       // files with the same text are names of one file; empty: it has one name
    BodyReader body;              // of a file that is not empty
    bool is_on_the_way = false;   // a folder that only leads to what is copied: an existing one keeps its owner
};

/// What one source selects. A folder is followed by everything in it, parents first.
struct CopySource {
    std::string base_name;            // as the Dockerfile names it, links not followed
    std::vector<CopiedEntry> entries; // the source itself first
    bool becomes_destination = false; // a destination that is made gets the folder's own attributes (repositories)
    std::shared_ptr<const Fd> archive =
        nullptr; // the source's file, if it is unpacked instead; shared by copies of this
};

struct CopyRequest {
    std::vector<CopySource> sources; // copied one after the other
    std::string destination;         // absolute; with a "/" at the end it is a folder
    std::optional<Owner> owner;      // --chown
    std::optional<ModeChange> mode;  // --chmod
};

/// Errors: step_failed — a folder on a file, or a file on a folder; as read_archive and unpack.
Status copy(const CopyRequest& request, PendingLayer& layer, const ExistingFileReader& read_existing = nullptr);

/// In: path — absolute; owner — of the folders that are made.
Status make_working_directory(const std::string& path, Owner owner, PendingLayer& layer);

} // namespace dbuild::executors::in_process
