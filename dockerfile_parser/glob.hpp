// SPDX-License-Identifier: Apache-2.0
// One pattern for paths, compiled: Go's filepath.Match, and the regular expressions that moby/patternmatcher makes of
// the lines of a .dockerignore. Both are matched in time linear in the text, whatever the pattern.
#pragma once

#include "support/result.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace dbuild::dockerfile_parser {

class Glob {
public:
    /// Go's filepath.Match: `*`, `?`, `[a-z]`, `[^a]`, `\c`; the whole name must match. `*` and `?` cross no `/`, which
    /// a class may be.
    /// Errors:  invalid_dockerfile without `where`: "syntax error in pattern".
    static Result<Glob> of_path(std::string_view pattern);

    /// The same, and `**`; `^` is the beginning and `\d`, `\s`, `\w` and their like are classes where the pattern has
    /// another wildcard, since it becomes a regular expression there.
    /// In:      pattern — cleaned: no `.`, `..` or empty component but at the beginning.
    /// Errors:  as of_path; unsupported — `*` or `?` in a class, `\b`, `\x41`, `\pL` and the like: the regular
    /// expression
    ///          makes something else of them.
    /// Source:  moby/patternmatcher Pattern.compile.
    static Result<Glob> of_ignore_line(std::string_view pattern);

    bool matches(std::string_view text) const;

    /// The text that every match begins with; all of it where the pattern has no wildcard.
    const std::string& fixed_beginning() const { return beginning_; }
    bool is_plain() const { return tokens_.empty(); }

private:
    struct Token {
        enum class Kind {
            literal,
            any_character, // but `/`
            any_run,       // of those
            any_text,
            any_line_text,    // without a newline, as a regular expression's dot
            directories,      // "(.*/)?": nothing, or on to the next token
            directories_body, // follows each of those: takes characters, and ends after a `/`
            character_class,
            text_begin,
        };
        struct Range {
            char32_t first = 0;
            char32_t last = 0;
        };
        Kind kind = Kind::literal;
        char32_t character = 0;    // literal
        bool is_negated = false;   // character_class
        std::vector<Range> ranges; // character_class

        bool takes(char32_t value) const;
    };
    enum class Dialect { path, ignore_line };
    class Compiler;

    template <class Set>
    bool run(std::string_view text) const;
    void keep_fixed_parts();

    std::string beginning_; // before tokens_
    std::string ending_;    // ASCII, that the last tokens stand for: most texts fail on it
    std::vector<Token> tokens_;
};

/// True if a source of COPY or ADD selects by pattern: it has a `*`, `?` or `[` that no backslash stands before. Else it
/// is a name, in which backslashes are characters like others.
/// Source: containsWildcards of BuildKit's contenthash and of fsutil's copy.
bool has_wildcard(std::string_view source);

/// Where the pattern of a source begins: at its first component that has_wildcard(); npos if there is none. The folders
/// before it are names.
/// In: source — without doubled slashes.
std::size_t find_pattern(std::string_view source);

} // namespace dbuild::dockerfile_parser
