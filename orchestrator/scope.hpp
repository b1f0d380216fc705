// SPDX-License-Identifier: Apache-2.0
// The scopes of a build: under which name its records are kept here, and published in and read from remotes.
#pragma once

#include "orchestrator/parts.hpp"

#include <functional>

namespace dbuild::orchestrator {

/// --scope, else the image's name without its tag, else the folder's; with the target behind a slash.
std::string local_scope(const BuildOptions& options);

struct PublishedScopes {
    std::string own;                    // read first, and the only one that is written
    std::vector<std::string> fallbacks; // read after it, in this order
};

/// NAME[#TARGET]@PLATFORM[~BRANCH]. In a pipeline of GitHub or GitLab the branch is part of the name, except for the
/// default one; there the branch that a change is for is read too, then the default one, then those of --scope-from.
/// In: environment — a variable's value, "" if it is not set. Source: ../reference/ecosystem.md §1.5, §7.2.
PublishedScopes published_scopes(const BuildOptions& options, const std::string& platform,
                                 const std::function<std::string(const char*)>& environment);

} // namespace dbuild::orchestrator
