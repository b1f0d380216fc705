// SPDX-License-Identifier: Apache-2.0
// Folders in which containers run and layers stay until they are stored. Each is locked as long as its process lives,
// so that the next process tells what a dead one left.
#pragma once

#include "support/files.hpp"
#include "support/result.hpp"

#include <filesystem>
#include <memory>

namespace dbuild::executors::runtime {

/// Removed, with all that is in it, by the destructor.
class Workspace {
public:
    /// Errors: unavailable.
    static Result<std::shared_ptr<Workspace>> create(const std::filesystem::path& root);

    /// Ends the containers of dead processes, and removes their workspaces. Errors: unavailable.
    static Status remove_abandoned(const std::filesystem::path& root);

    Workspace(std::filesystem::path folder, Fd lock) : path(std::move(folder)), lock_(std::move(lock)) {}
    ~Workspace();
    Workspace(const Workspace&) = delete;
    Workspace& operator=(const Workspace&) = delete;

    const std::filesystem::path path;

private:
    Fd lock_;
};

} // namespace dbuild::executors::runtime
