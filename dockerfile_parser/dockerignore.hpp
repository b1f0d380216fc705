// SPDX-License-Identifier: Apache-2.0
// .dockerignore: which paths of a context are left out, with moby/patternmatcher's rules, and Go's filepath.Match.
// Finding and reading the file, and walking the context, are the callers' business.
#pragma once

#include "support/result.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace dbuild::dockerfile_parser {

/// Go's filepath.Match: `*`, `?`, `[a-z]`, `[^a]`, `\c`; nothing crosses a `/`; the whole name must match.
/// Errors:  invalid_dockerfile without `where`: "syntax error in pattern".
Result<bool> match_path(std::string_view pattern, std::string_view name);

class IgnoreMatcher {
public:
    /// One step of a compiled pattern; a pattern is a list of them, matched left to right.
    struct Token {
        enum class Kind { literal, any_character, any_run, any_directories, any_text, character_class };
        struct Range {
            char32_t first = 0;
            char32_t last = 0;
        };
        Kind kind = Kind::literal;
        char32_t character = 0;    // literal
        bool is_negated = false;   // character_class
        std::vector<Range> ranges; // character_class
    };

    IgnoreMatcher() = default; // ignores nothing

    /// Errors:  invalid_dockerfile with `where`: a malformed pattern, a lone `!`.
    static Result<IgnoreMatcher> parse(std::string_view text, std::string file_name);

    /// In:      relative_path — `/`-separated, from the context root, without leading or trailing `/`.
    /// Out:     whether the last pattern that matches the path or one of its parents excludes it. As in BuildKit's
    /// walk,
    ///          an exception that found its folder not ignored does not reach that folder's children.
    bool is_ignored(std::string_view relative_path) const;

    /// Whether the directory is ignored and no exception can re-include anything below it.
    bool can_skip_directory(std::string_view relative_path) const;

    bool is_empty() const { return patterns_.empty(); }
    const std::string& text() const { return text_; }

private:
    struct Pattern {
        std::string cleaned;       // without `!`
        bool is_exception = false; // `!`
        bool has_wildcard = false; // otherwise `cleaned` is compared byte by byte
        std::vector<Token> tokens;
    };

    bool matches(const Pattern& pattern, std::string_view path) const;

    std::vector<Pattern> patterns_;
    std::string text_;
};

} // namespace dbuild::dockerfile_parser
