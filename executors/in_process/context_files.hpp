// SPDX-License-Identifier: Apache-2.0
// The files of a build context as copies read them: a second time, after they were hashed, by a path that cannot lead through a
// link put there in between.
#pragma once

#include "executors/in_process/copy.hpp"

#include <filesystem>
#include <memory>

namespace dbuild::executors::in_process {

class ContextFiles {
public:
    /// Errors: unavailable — no such folder.
    static Result<ContextFiles> open(const std::filesystem::path& root);

    /// The file at a path below the root, with the names of its inode and the way to its bytes.
    CopiedEntry file(cache::oci::LayerEntry entry) const;

private:
    explicit ContextFiles(std::shared_ptr<const Fd> root) : root_(std::move(root)) {}
    std::shared_ptr<const Fd> root_; // shared with the readers of the files
};

/// True if ADD might unpack the file: it begins like a tar, or like a format that a tar may be compressed with.
/// Errors: as the file's body.
Result<bool> may_be_archive(const CopiedEntry& file);

} // namespace dbuild::executors::in_process
