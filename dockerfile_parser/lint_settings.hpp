// SPDX-License-Identifier: Apache-2.0
// The `check` directive: which lint rules a file turns off or on, and whether a warning fails the build.
#pragma once

#include "support/result.hpp"

#include <set>
#include <string>
#include <string_view>

namespace dbuild::dockerfile_parser {

/// The value of a `# check=` comment: "skip=RuleA,RuleB;error=true;experimental=RuleC", parts in any order.
struct LintSettings {
    std::set<std::string> skipped;
    bool skips_all = false;
    std::set<std::string> experimental; // CopyIgnoredFile and InvalidDefinitionDescription are off without
    bool tries_all = false;
    bool warnings_are_errors = false;

    /// Only what stands before the first blank counts. Errors: invalid_dockerfile without `where`, in BuildKit's words.
    static Result<LintSettings> parse(std::string_view text);
    bool skips(const std::string& rule) const { return skips_all || skipped.contains(rule); }
    bool tries(const std::string& rule) const { return tries_all || experimental.contains(rule); }
};

} // namespace dbuild::dockerfile_parser
