// SPDX-License-Identifier: Apache-2.0
// What can be said of expanded values without building: unbalanced quotes, bad substitutions and their like, `${x:?}`
// where x cannot have a value, and what EXPOSE, STOPSIGNAL and VOLUME do not take. Used inside of this folder only.
#pragma once

#include "dockerfile_parser/check.hpp"
#include "dockerfile_parser/stage_graph.hpp"
#include "dockerfile_parser/syntax_tree.hpp"

#include <vector>

namespace dbuild::dockerfile_parser {

/// Adds the errors of all instructions but FROM and the ARGs before the first one, which the graph has judged.
/// In:      tree, dockerfile, graph — of one text without other errors.
/// Out:     with the place of the word; of a heredoc's body that of the instruction, of a trigger that of the FROM.
///          What a build argument could set right is none.
void find_wrong_expansions(const SyntaxTree& tree, const Dockerfile& dockerfile, const StageGraph& graph,
                           const CheckContext& context, std::vector<Diagnostic>& errors);

} // namespace dbuild::dockerfile_parser
