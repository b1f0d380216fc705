// SPDX-License-Identifier: Apache-2.0
// Containers by runc, the reference implementation of the OCI runtime specification. (crun 1.8 refuses machines with
// both versions of cgroups, where it would start a container in a fifth of the time.)
#pragma once

#include "support/process.hpp"
#include "support/result.hpp"

#include <filesystem>

namespace dbuild::executors::runtime {

inline constexpr const char* k_runc = "runc"; // looked up in the PATH

/// Runs the container whose configuration is in folder/bundle/config.json to its end, in the namespaces of the calling
/// thread where the configuration names none.
/// In:      folder — of this container alone; what runc remembers is kept in it. on_output — called from this thread.
/// Out:     exit status of its first process, 128 + signal if that was killed.
/// Errors:  unsupported — the container could not be started; interrupted — cancelled; unavailable — no runc.
Result<int> run_container(const std::filesystem::path& folder, const OutputSink& on_output,
                          const CancelCheck& is_cancelled);

/// Ends the container that a dead process began in that folder, if it still runs.
void end_abandoned_container(const std::filesystem::path& folder);

} // namespace dbuild::executors::runtime
