// SPDX-License-Identifier: Apache-2.0
// Containers by the OCI runtime of this machine: crun, or runc, which takes twice as long to start one.
#pragma once

#include "support/process.hpp"
#include "support/result.hpp"

#include <filesystem>
#include <string>

namespace dbuild::executors::runtime {

/// Its name in the PATH. Errors: unsupported — there is none.
Result<std::string> find_oci_runtime();

/// Runs the container whose configuration is in folder/bundle/config.json to its end, in the namespaces of the calling
/// thread where the configuration names none.
/// In:      runtime — as found. folder — of this container alone; what the runtime remembers is kept in it. on_output —
///          called from this thread, which has a mount namespace of its own.
/// Out:     exit status of its first process, 128 + signal if that was killed.
/// Errors:  unsupported — the container could not be started; interrupted — cancelled; unavailable — no such program.
Result<int> run_container(const std::string& runtime, const std::filesystem::path& folder, const OutputSink& on_output,
                          const CancelCheck& is_cancelled);

/// Ends the container that a dead process began in that folder, if it still runs, whichever runtime began it.
void end_abandoned_container(const std::filesystem::path& folder);

} // namespace dbuild::executors::runtime
