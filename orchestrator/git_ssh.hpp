// SPDX-License-Identifier: Apache-2.0
// How git gets to a repository over ssh: with the agent or the keys that `--ssh default` names, and nothing else of the
// user's. Hosts that the user knows must be who they were; new ones are believed, as BuildKit does.
#pragma once

#include "support/result.hpp"

#include <string>
#include <vector>

namespace dbuild::orchestrator {

/// In:     agents — the values of --ssh: "default", "default=SOCKET" or "default=KEY[,KEY…]"; others are not for git.
/// Out:    "NAME=VALUE" for git's environment.
/// Errors: unsupported — there is no `--ssh default`, or it names neither one socket nor files.
Result<std::vector<std::string>> ssh_environment(const std::vector<std::string>& agents);

} // namespace dbuild::orchestrator
