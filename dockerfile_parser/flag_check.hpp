// SPDX-License-Identifier: Apache-2.0
// What can be said of the values of flags without building, where no variable stands in them: a build would refuse them
// when it reaches the instruction. Used inside of this folder only.
#pragma once

#include "dockerfile_parser/instructions.hpp"

#include <vector>

namespace dbuild::dockerfile_parser {

/// Adds the errors of all stages, with the places of the instructions. In BuildKit's words.
void find_wrong_flags(const Dockerfile& dockerfile, std::vector<Error>& errors);

} // namespace dbuild::dockerfile_parser
