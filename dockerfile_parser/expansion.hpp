// SPDX-License-Identifier: Apache-2.0
// The word lexer of a Dockerfile: replaces $NAME and ${NAME...} and removes quotes and escapes.
// Which instruction is expanded with which variables is the caller's decision.
#pragma once

#include "support/result.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dbuild::dockerfile_parser {

/// The value of a variable; nothing when it is not set (which differs from empty in ${x-y} and its like).
using VariableLookup = std::function<std::optional<std::string>(std::string_view)>;

/// Expands to exactly one word; blanks are kept.
/// In:      escape — the Dockerfile's escape character, `\` or `` ` ``.
/// Errors:  invalid_dockerfile without `where`: unbalanced quote, bad substitution, `${x:?message}` on an unset x;
///          unsupported — what would take megabytes, or hundreds of nested ${…}.
/// Source:  moby/buildkit frontend/dockerfile/shell/lex.go.
Result<std::string> expand_word(std::string_view word, const VariableLookup& lookup, char escape);

/// The same, then split on the blanks outside of quotes, also those that came out of a variable (EXPOSE).
Result<std::vector<std::string>> expand_words(std::string_view word, const VariableLookup& lookup, char escape);

/// Heredoc bodies: `$` is active, quotes are plain characters, `\` protects the next character.
Result<std::string> expand_heredoc(std::string_view body, const VariableLookup& lookup);

} // namespace dbuild::dockerfile_parser
