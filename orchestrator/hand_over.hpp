// SPDX-License-Identifier: Apache-2.0
// The whole build through docker's own program, where dbuild does not plan it. See docs/decisions/0001.
#pragma once

#include "orchestrator/parts.hpp"

#include <atomic>
#include <string>

namespace dbuild::orchestrator {

/// What the build goes to: `docker buildx build`, or `docker build` where DOCKER_BUILDKIT=0 asks for the builder that
/// only that one has.
std::string build_program();

/// Runs that with the user's own words, less dbuild's flags, on this process's streams and environment.
/// In:      options — docker_arguments; and dockerfile_text, which the program gets as standard input if it was read
/// already. Out:     the program's exit status. Errors: unavailable — it cannot be started.
Result<int> hand_over(const BuildOptions& options, const std::atomic<bool>& cancelled);

/// Whether DOCKER_BUILDKIT is set to something that docker does not take for "on".
bool wants_legacy_builder();

} // namespace dbuild::orchestrator
