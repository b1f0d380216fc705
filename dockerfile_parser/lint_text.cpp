// SPDX-License-Identifier: Apache-2.0
#include "dockerfile_parser/lint_rules.hpp"
#include "dockerfile_parser/stage_walk.hpp"
#include "dockerfile_parser/unicode.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace dbuild::dockerfile_parser {
namespace {

bool is_lower(std::string_view text) { return ascii_lower(text) == text; }
bool is_upper(std::string_view text) { return ascii_upper(text) == text; }

/// The majority's casing; of as many, upper case. ARGs before the first FROM neither count nor are counted.
void check_keyword_casing(const SyntaxTree& tree, LintFindings& findings) {
    const auto first = std::find_if(tree.nodes.begin(), tree.nodes.end(),
                                    [](const SyntaxNode& node) { return ascii_upper(node.keyword) == "FROM"; });
    int lower = 0, upper = 0;
    for (auto node = first; node != tree.nodes.end(); ++node) {
        lower += is_lower(node->keyword);
        upper += is_upper(node->keyword);
    }
    const bool wants_lower = lower > upper;
    for (auto node = first; node != tree.nodes.end(); ++node)
        if (wants_lower ? !is_lower(node->keyword) : !is_upper(node->keyword))
            findings.add("ConsistentInstructionCasing",
                         fmt::format("Command '{}' should match the case of the command majority ({})", node->keyword,
                                     wants_lower ? "lowercase" : "uppercase"),
                         keyword_place(*node));
}

void check_from_casing(const SyntaxNode& node, LintFindings& findings) {
    if (node.words.size() != 3) return;
    const bool is_mixed = !is_lower(node.keyword) && !is_upper(node.keyword);
    if (!is_mixed && node.words[1] != (is_lower(node.keyword) ? "as" : "AS"))
        findings.add("FromAsCasing",
                     fmt::format("'{}' and '{}' keywords' casing do not match", node.words[1], node.keyword),
                     word_place(node, 1));
    if (!is_lower(node.words[2]))
        findings.add("StageNameCasing", fmt::format("Stage name '{}' should be lowercase", node.words[2]),
                     word_place(node, 2));
}

/// The comment above an ARG or a named stage is shown as its description, if it begins with the name.
void check_description(const SyntaxNode& node, const std::string& keyword, LintFindings& findings) {
    if (node.comment.empty()) return;
    std::vector<std::string> names;
    if (keyword == "ARG")
        for (const std::string& word : node.words) names.push_back(word.substr(0, word.find('=')));
    if (keyword == "FROM" && node.words.size() == 3) names.push_back(ascii_lower(node.words[2]));
    const std::string first = node.comment.substr(0, node.comment.find(' '));
    if (names.empty() || std::find(names.begin(), names.end(), first) != names.end()) return;
    findings.add("InvalidDefinitionDescription",
                 fmt::format("Comment for {} should follow the format: `# {} <description>`", keyword,
                             names.size() > 1 ? "<arg_key>" : names[0]),
                 word_place(node, keyword == "FROM" ? 2 : 0));
}

} // namespace

void lint_text(const LintInput& input, LintFindings& findings) {
    for (const SyntaxNode& node : input.tree.nodes) {
        const std::string keyword = ascii_upper(node.keyword);
        if (node.has_empty_continuation) {
            SourceSpan end = node.where;
            end.first_line = end.last_line;
            findings.add("NoEmptyContinuation", "Empty continuation line", {end, 1});
        }
        if (keyword == "MAINTAINER")
            findings.add("MaintainerDeprecated", "Maintainer instruction is deprecated in favor of using label",
                         keyword_place(node));
        if ((keyword == "ENV" || keyword == "LABEL") && node.words.size() >= 3 && node.words[2].empty())
            findings.add("LegacyKeyValueFormat",
                         fmt::format("\"{0} key=value\" should be used instead of legacy \"{0} key value\" format",
                                     node.keyword),
                         word_place(node, 0));
        if (keyword == "FROM") check_from_casing(node, findings);
        if (input.settings.tries("InvalidDefinitionDescription")) check_description(node, keyword, findings);
    }
    check_keyword_casing(input.tree, findings);
    for (const auto& [message, where] : input.dockerfile.directive_warnings)
        findings.add("DbuildDirective", message, {where, 0});
}

} // namespace dbuild::dockerfile_parser
