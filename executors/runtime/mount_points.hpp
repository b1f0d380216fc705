// SPDX-License-Identifier: Apache-2.0
// Folders and files that something is mounted on while a RUN goes on. Those that the root file system lacks are made
// for that time only: a layer must not show them. Source: BuildKit's MountStubsCleaner, with its fix for
// CVE-2024-23652 (../shared/reference/executor.md §1.4).
#pragma once

#include "cache/oci/layer_tar.hpp"
#include "support/files.hpp"
#include "support/result.hpp"

#include <string>
#include <vector>

namespace dbuild::executors::runtime {

class MountPoints {
public:
    enum class Kind { folder, open_folder, file }; // 0755, 1777, 0644
    enum class Stay { while_it_runs, for_ever };

    /// In: root — the mounted root file system, open; tree — what is in it before the RUN. Both borrowed.
    MountPoints(int root, const cache::oci::FileTree& tree) : root_(root), tree_(tree) {}

    /// Makes what is missing of the path, those above it with mode 0755, all with owner 0:0; links are followed inside
    /// the root. Out:    whether the path itself is new. Errors: unsupported — something else stands there;
    /// unavailable.
    Result<bool> make(const std::string& path, Kind kind, Stay stay = Stay::while_it_runs);

    /// Takes away what make() made and the RUN left empty; folders that it stood in keep their times.
    void remove_made() const;

private:
    const int root_;
    const cache::oci::FileTree& tree_;
    std::vector<std::string> made_; // outer before inner
};

/// Follows the links of a path inside the tree; what does not exist stays as it is written.
/// Errors: unsupported — links that never end.
Result<std::string> follow_links(const cache::oci::FileTree& tree, const std::string& path);

} // namespace dbuild::executors::runtime
