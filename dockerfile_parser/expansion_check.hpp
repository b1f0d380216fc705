// SPDX-License-Identifier: Apache-2.0
// What can be said of variable expansion without building: unbalanced quotes, bad substitutions and their like, and
// `${x:?}` where x cannot have a value. Which instruction expands what: reference/buildkit-semantics.md §2.1.
// Used inside of this folder only.
#pragma once

#include "dockerfile_parser/check.hpp"
#include "dockerfile_parser/stage_graph.hpp"
#include "dockerfile_parser/syntax_tree.hpp"

#include <vector>

namespace dbuild::dockerfile_parser {

/// Adds the errors of all instructions but FROM and the ARGs before the first one, which the graph has judged.
/// In:      tree, graph — of one text without other errors.
/// Out:     with the place of the word; of a heredoc's body that of the instruction. An argument, and what a base image may
///          define, is taken to have a value.
void find_wrong_expansions(const SyntaxTree& tree, const StageGraph& graph, std::vector<Diagnostic>& errors);

} // namespace dbuild::dockerfile_parser
