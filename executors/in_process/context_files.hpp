// SPDX-License-Identifier: Apache-2.0
// The files of a build context as copies read them: a second time, after they were hashed, by a path that cannot lead
// through a link put there in between.
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

    /// Errors: transient — gone, or a link now; unavailable.
    Result<Fd> open_file(const std::string& path) const;

    /// False for a link whose target does not exist inside the root.
    bool leads_somewhere(const std::string& path) const;

private:
    explicit ContextFiles(std::shared_ptr<const Fd> root) : root_(std::move(root)) {}
    std::shared_ptr<const Fd> root_; // shared with the readers of the files
};

} // namespace dbuild::executors::in_process
