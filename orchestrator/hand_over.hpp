// SPDX-License-Identifier: Apache-2.0
// The whole build through docker's own program, where dbuild does not plan it. See docs/decisions/0001.
#pragma once

#include "orchestrator/parts.hpp"

#include <atomic>
#include <string_view>

namespace dbuild::orchestrator {

/// Runs `docker buildx build` with the user's own words, less dbuild's flags, on this process's streams and
/// environment; `docker build` instead where DOCKER_BUILDKIT=0 asks for the builder that only that one has. Says so in
/// one line. In:     options — docker_arguments; and dockerfile_text, which the program gets as standard input if it
/// was read already. Out:    the program's exit status. Errors: unavailable — it cannot be started.
Result<int> hand_over(const BuildOptions& options, std::string_view reason, const std::atomic<bool>& cancelled);

/// Whether DOCKER_BUILDKIT is set to something that docker does not take for "on".
bool wants_legacy_builder();

} // namespace dbuild::orchestrator
