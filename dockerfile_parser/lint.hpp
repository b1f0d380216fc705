// SPDX-License-Identifier: Apache-2.0
// BuildKit's lint rules, by BuildKit's names and in its words; what silences them is in lint_settings.hpp.
// Errors of a Dockerfile are not lint: check.hpp. The rules themselves: lint_text.cpp, lint_from.cpp,
// lint_instructions.cpp.
#pragma once

#include "dockerfile_parser/check.hpp"
#include "dockerfile_parser/stage_graph.hpp"
#include "dockerfile_parser/syntax_tree.hpp"

#include <vector>

namespace dbuild::dockerfile_parser {

/// In:      tree, dockerfile, graph — of one text, without errors, the triggers of stages already in the stages that
///          are built on them; context — where its ignored files are not known, CopyIgnoredFile is not looked for.
/// Out:     warnings in file order, without those that the file's `check` directive or the comment above an
///          instruction skips.
///          Where a base image is not known, UndefinedVar is reported only where a declared name is near enough to be
///          meant, and InvalidBaseImagePlatform is not.
std::vector<Diagnostic> lint(const SyntaxTree& tree, const Dockerfile& dockerfile, const StageGraph& graph,
                             const CheckContext& context);

} // namespace dbuild::dockerfile_parser
