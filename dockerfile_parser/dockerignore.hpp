// SPDX-License-Identifier: Apache-2.0
// .dockerignore: which paths of a context are left out, with moby/patternmatcher's rules, and Go's filepath.Match.
// Finding and reading the file, and walking the context, are the callers' business.
#pragma once

#include "dockerfile_parser/glob.hpp"
#include "support/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace dbuild::dockerfile_parser {

/// Go's filepath.Match, see Glob::of_path, for a pattern that is used once.
/// Errors:  invalid_dockerfile without `where`: "syntax error in pattern".
Result<bool> match_path(std::string_view pattern, std::string_view name);

class IgnoreMatcher {
public:
    IgnoreMatcher() = default; // ignores nothing

    /// Errors:  invalid_dockerfile with `where`: a malformed pattern, a lone `!`; unsupported with `where`: see
    ///          Glob::of_ignore_line.
    static Result<IgnoreMatcher> parse(std::string_view text, std::string file_name);

    /// In:      relative_path — `/`-separated, from the context root, without leading or trailing `/`.
    /// Out:     whether the last pattern that matches the path or one of its parents excludes it. As in BuildKit's
    /// walk,
    ///          an exception that found its folder not ignored does not reach that folder's children.
    bool is_ignored(std::string_view relative_path) const;

    /// Whether the directory is ignored and no exception can re-include anything below it.
    bool can_skip_directory(std::string_view relative_path) const;

    /// For walkers, which come from the folder: the same answers, each pattern being tried once for each path. A
    /// verdict that was default-constructed is the root's.
    struct Verdict {
        bool is_ignored = false;
        std::vector<std::uint32_t> matched; // patterns that hold for the path and all below it, ascending
    };
    Verdict judge(const Verdict& folder, std::string_view relative_path) const;
    bool can_skip_directory(const Verdict& verdict, std::string_view relative_path) const;

    bool is_empty() const { return patterns_.empty(); }
    const std::string& text() const { return text_; }

private:
    struct Pattern {
        bool is_exception = false; // `!`
        Glob glob;                 // of wildcards only
    };
    using Index = std::unordered_map<std::string, std::vector<std::uint32_t>>;

    void add(Pattern pattern, std::string cleaned);

    std::vector<Pattern> patterns_;
    // Each pattern is in one of these, so that long lists of plain names cost one look-up.
    Index by_path_;                        // without wildcards: the path
    Index by_name_;                        // `**/NAME`: the last component
    std::vector<std::uint32_t> wildcards_; // the others
    // What an exception begins with, up to its first wildcard.
    std::vector<std::string> plain_exceptions_; // sorted; without wildcards
    std::vector<std::string> wild_exceptions_;
    std::string text_;
};

} // namespace dbuild::dockerfile_parser
