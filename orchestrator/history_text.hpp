// SPDX-License-Identifier: Apache-2.0
// How BuildKit words instructions in an image's history, as far as that takes more than joining words: values as Go's
// fmt prints them. Source: BuildKit's dockerfile2llb, with the texts of version 0.32 (docs/decisions/0002).
#pragma once

#include "orchestrator/resolved_step.hpp"

#include <string>
#include <vector>

namespace dbuild::orchestrator {

/// "[\"a\" \"b\"]", each word as Go's %q prints it.
std::string go_quoted(const std::vector<std::string>& words);

std::string history_of(const cache::oci::Healthcheck& check);

/// In: destination — as written, expanded.
std::string history_of(const CopyOperation& copy, bool keeps_parents, const std::string& destination);

} // namespace dbuild::orchestrator
