// SPDX-License-Identifier: Apache-2.0
// The lint rules, by what they look at. Texts and conditions: moby/buildkit frontend/dockerfile/linter/ruleset.go and
// dockerfile2llb/convert.go. Used by lint.cpp only.
#pragma once

#include "dockerfile_parser/lint.hpp"
#include "dockerfile_parser/lint_settings.hpp"

namespace dbuild::dockerfile_parser {

struct LintInput {
    const SyntaxTree& tree;
    const Dockerfile& dockerfile;
    const StageGraph& graph;
    const CheckContext& context;
    const LintSettings& settings;
};

/// Takes the warnings, in any order.
class LintFindings {
public:
    void add(std::string rule, std::string message, const WordPlace& place) {
        warnings_.push_back(
            {Diagnostic::Severity::warning, std::move(rule), std::move(message), place.where, place.length});
    }
    std::vector<Diagnostic> take() { return std::move(warnings_); }

private:
    std::vector<Diagnostic> warnings_;
};

/// How the file is written: casing, continuations, comments, old forms.
void lint_text(const LintInput& input, LintFindings& findings);

/// The FROM lines: names of stages, base images, platforms.
void lint_from_lines(const LintInput& input, LintFindings& findings);

/// What the instructions of stages say: variables, secrets, directories, ports, commands.
void lint_instructions(const LintInput& input, LintFindings& findings);

/// The n-th word of the node; the keyword if it has no such word.
WordPlace word_place(const SyntaxNode& node, std::size_t n);

} // namespace dbuild::dockerfile_parser
