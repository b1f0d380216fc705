// SPDX-License-Identifier: Apache-2.0
// The values of --secret, checked as docker buildx checks them before it builds anything: what is wrong with one shows
// in every build, not only in one that runs a RUN which mounts it. The secrets themselves are never read here.
#pragma once

#include "support/result.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace dbuild::orchestrator {

/// In:      value — "id=x,src=FILE", "id=x,env=NAME", "id=x": the variable x or else the file x.
/// Errors:  usage — it is none of these.
Status check_secret(std::string_view value);

/// In:      values — each of which check_secret() takes.
/// Errors:  not_found — a file that is not there; usage — one of more than 500 KiB.
Status find_secrets(const std::vector<std::string>& values);

} // namespace dbuild::orchestrator
