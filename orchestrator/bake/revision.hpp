// SPDX-License-Identifier: Apache-2.0
// A commit beside the work tree: which files differ, and what they held. Asks git, and reads no file of the work tree.
#pragma once

#include "support/result.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace dbuild::orchestrator {

class Revision {
public:
    /// In:     name — whatever git takes for a commit. The repository is that of the working folder.
    /// Errors: usage — there is no repository, or no such commit; unavailable — git cannot be started.
    /// Cost:   two processes side by side, together about one `git status`.
    static Result<Revision> open(const std::string& name);

    /// Absolute paths of all files that were added, changed (content, mode or link) or removed since, sorted. Files
    /// that git is told to ignore never count.
    const std::vector<std::string>& changed() const { return changed_; }
    bool is_changed(const std::filesystem::path& path) const;

    /// What the file held; nothing if it was not there. Errors: unavailable.
    Result<std::optional<std::string>> read(const std::filesystem::path& path) const;

    /// Absolute, links in its folder followed: as changed() has it.
    static std::string absolute(const std::filesystem::path& path);

private:
    std::string name_;
    std::filesystem::path root_;
    std::vector<std::string> changed_;
};

} // namespace dbuild::orchestrator
