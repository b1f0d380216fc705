// SPDX-License-Identifier: Apache-2.0
#include "dockerfile_parser/lint.hpp"

#include "dockerfile_parser/lint_rules.hpp"

#include <algorithm>
#include <map>

namespace dbuild::dockerfile_parser {
namespace {

/// Drops what the comment above an instruction skips.
void drop_skipped(const SyntaxTree& tree, const LintSettings& settings, std::vector<Diagnostic>& warnings) {
    std::map<int, std::pair<int, LintSettings>> own; // by first line: the last one
    for (const SyntaxNode& node : tree.nodes)
        if (auto parsed = LintSettings::parse(node.check); parsed && !node.check.empty())
            own.emplace(node.where.first_line, std::pair(node.where.last_line, std::move(*parsed)));
    std::erase_if(warnings, [&](const Diagnostic& warning) {
        if (settings.skips(warning.rule)) return true;
        const auto after = own.upper_bound(warning.where.first_line);
        if (after == own.begin()) return false;
        const auto& [last_line, above] = std::prev(after)->second;
        return warning.where.first_line <= last_line && above.skips(warning.rule);
    });
}

} // namespace

WordPlace word_place(const SyntaxNode& node, std::size_t n) {
    return place_of(node, n < node.word_ranges.size() ? node.word_ranges[n] : TextRange{0, node.keyword.size()});
}

std::vector<Diagnostic> lint(const SyntaxTree& tree, const Dockerfile& dockerfile, const StageGraph& graph,
                             const CheckContext& context) {
    const LintSettings settings =
        LintSettings::parse(tree.check).value_or(LintSettings()); // a wrong one is an error before
    const LintInput input{tree, dockerfile, graph, context, settings};
    LintFindings findings;
    lint_text(input, findings);
    lint_from_lines(input, findings);
    lint_instructions(input, findings);
    auto warnings = findings.take();
    drop_skipped(tree, settings, warnings);
    std::stable_sort(warnings.begin(), warnings.end(),
                     [](const Diagnostic& a, const Diagnostic& b) { return a.where.first_line < b.where.first_line; });
    return warnings;
}

} // namespace dbuild::dockerfile_parser
