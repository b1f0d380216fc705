// SPDX-License-Identifier: Apache-2.0
// The patterns of ${x#p}, ${x%p}, ${x/p/r} and their like: `*` and `?` are active unless a `\` protects them. Those of
// .dockerignore are others: glob.hpp. Used inside of this folder only.
// Source: moby/buildkit frontend/dockerfile/shell/lex.go, which makes Go's regular expressions of them.
#pragma once

#include "support/result.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace dbuild::dockerfile_parser {

class ExpansionPattern {
public:
    enum class Length { shortest, longest };

    /// Errors:  invalid_dockerfile without `where` — a `\` before what needs none.
    static Result<ExpansionPattern> parse(std::string_view text);

    /// Whether matching this value could take seconds.
    bool is_too_much_for(std::string_view value) const;

    std::string strip_prefix(std::string_view value, Length length) const;
    std::string strip_suffix(std::string_view value, Length length) const;

    /// The leftmost match, and of those the longest, becomes the replacement.
    std::string replace_first(std::string_view value, std::string_view replacement) const;
    /// All of them. In: replacement — a template of Go's regexp: `$$` is a dollar, `$0` and `${0}` the match, every
    /// other name an empty group.
    std::string replace_all(std::string_view value, std::string_view replacement) const;

private:
    struct Token {
        enum class Kind { literal, one, any } kind = Kind::literal;
        char character = 0;
    };
    /// All lengths of prefixes of `text` that match, ascending.
    std::vector<std::size_t> prefix_lengths(std::string_view text) const;

    std::vector<Token> tokens_;
};

} // namespace dbuild::dockerfile_parser
