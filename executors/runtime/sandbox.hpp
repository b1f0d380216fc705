// SPDX-License-Identifier: Apache-2.0
// Runs one command in a container on a root file system of layer folders; what it changes is in an upper folder
// afterwards. The container is an OCI runtime's, with what BuildKit's containers have (container_spec.hpp); mounts are
// the thread's own, so nothing of them is left when it ends, however it ends.
#pragma once

#include "cache/oci/layer_tar.hpp"
#include "executors/executor.hpp"
#include "executors/runtime/network.hpp"
#include "support/process.hpp"
#include "support/result.hpp"

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace dbuild::executors::runtime {

/// A root file system as overlayfs takes it, and what is in it.
struct RootFolders {
    std::vector<std::filesystem::path> folders; // lowest first
    cache::oci::FileTree tree;
};

struct SandboxRun {
    std::string oci_runtime;      // as find_oci_runtime() says
    std::filesystem::path folder; // private, empty, on the file system of the layers' folders: `upper` will be in it
    const RootFolders* root = nullptr;
    const RunCommand* command = nullptr;
    std::map<std::string, const RootFolders*> sources; // of bind mounts, by name
    std::filesystem::path cache_mounts;                // the folder that they are kept in
    const Network* network = nullptr;                  // null: the command has none
};

/// In:      on_output — called from another thread, but not after this has returned.
/// Out:     exit status of the command, 128 + signal if it was killed.
/// Errors:  interrupted — cancelled; unsupported — the command cannot be run this way on this machine or on these
///          layers; step_failed — it could not be begun: its user, its mounts; unavailable.
Result<int> run_in_sandbox(const SandboxRun& run, const std::function<void()>& on_started, const OutputSink& on_output,
                           const CancelCheck& is_cancelled);

} // namespace dbuild::executors::runtime
