// SPDX-License-Identifier: Apache-2.0
// The typed stages of a Dockerfile as JSON, for other programs; the form is documented in docs/parse_json.md.
#pragma once

#include "dockerfile_parser/instructions.hpp"

#include <string>

namespace dbuild::dockerfile_parser {

inline constexpr int k_dockerfile_json_version = 1; // changes with every incompatible change of the form

/// One JSON object on one line, with a newline. Fields that were not given are left out.
std::string to_json(const Dockerfile& dockerfile);

} // namespace dbuild::dockerfile_parser
