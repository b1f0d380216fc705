// SPDX-License-Identifier: Apache-2.0
// From Dockerfile text to typed instructions: a pure function, without file system or clock.
// Variables are left to expansion.hpp, relations between stages to stage_graph.hpp.
#pragma once

#include "dockerfile_parser/instructions.hpp"
#include "support/result.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace dbuild::dockerfile_parser {

/// Parses a whole Dockerfile as BuildKit's built-in frontend does.
/// In:      text — the bytes of the file, LF or CRLF, with or without BOM; file_name — only for error places.
/// Out:     a Dockerfile with at least one stage.
/// Errors:  invalid_dockerfile with `where` (1-based lines) and BuildKit's message.
/// Source:  moby/buildkit frontend/dockerfile/{parser,instructions}.
Result<Dockerfile> parse_dockerfile(std::string_view text, std::string file_name);

struct SyntaxTree;

/// The second half of it, from nodes to stages; goes on after an error.
/// In:      errors — takes the errors, as of parse_dockerfile, in file order.
/// Out:     the instructions without errors; what follows a wrong FROM is in a stage that stands for it.
Dockerfile collect_stages(const SyntaxTree& tree, std::string file_name, std::vector<Error>& errors);

} // namespace dbuild::dockerfile_parser
