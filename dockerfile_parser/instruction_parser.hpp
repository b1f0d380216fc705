// SPDX-License-Identifier: Apache-2.0
// From a syntax node to a typed instruction: flag names, argument counts, value checks.
// Used inside of this folder only.
#pragma once

#include "dockerfile_parser/instructions.hpp"
#include "dockerfile_parser/syntax_tree.hpp"
#include "support/result.hpp"

namespace dbuild::dockerfile_parser {

/// Errors:  invalid_dockerfile without `where`, with BuildKit's message.
Result<FromInstruction> parse_from(const SyntaxNode& node);

/// Any instruction but FROM.
/// Errors:  invalid_dockerfile without `where`; unsupported — RUN with an empty JSON array.
Result<decltype(Instruction::body)> parse_instruction_body(const SyntaxNode& node);

} // namespace dbuild::dockerfile_parser
