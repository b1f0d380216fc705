// SPDX-License-Identifier: Apache-2.0
// BuildKit's lint rules, by BuildKit's names and in its words, and the `check` directive that silences them. The one
// that needs a base image's configuration (InvalidBaseImagePlatform) is not here. Errors of a Dockerfile are not lint:
// check.hpp.
#pragma once

#include "dockerfile_parser/dockerignore.hpp"
#include "dockerfile_parser/stage_graph.hpp"
#include "dockerfile_parser/syntax_tree.hpp"

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace dbuild::dockerfile_parser {

struct LintWarning {
    std::string rule; // "StageNameCasing", …
    std::string message;
    SourceSpan where;
};

/// The value of a `# check=` comment: "skip=RuleA,RuleB;error=true;experimental=RuleC", parts in any order; unknown
/// parts are ignored.
struct LintSettings {
    std::set<std::string> skipped;
    bool skips_all = false;
    std::set<std::string> experimental; // CopyIgnoredFile and InvalidDefinitionDescription are off without
    bool tries_all = false;
    bool warnings_are_errors = false;

    static LintSettings parse(std::string_view text);
    bool skips(const std::string& rule) const { return skips_all || skipped.contains(rule); }
    bool tries(const std::string& rule) const { return tries_all || experimental.contains(rule); }
};

/// In:      tree, dockerfile, graph — of one text, without errors; ignored — of its context, null where that is not
///          known: CopyIgnoredFile is not looked for then.
/// Out:     in file order, without those that the file's `check` directive or the comment above an instruction skips.
///          UndefinedVar is reported where the base is `scratch`, or where a declared name is near enough to be meant:
///          what a base image defines is not known here.
std::vector<LintWarning> lint(const SyntaxTree& tree, const Dockerfile& dockerfile, const StageGraph& graph,
                              const IgnoreMatcher* ignored = nullptr);

} // namespace dbuild::dockerfile_parser
