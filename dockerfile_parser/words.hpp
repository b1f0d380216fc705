// SPDX-License-Identifier: Apache-2.0
// How one logical line falls into keyword, flags and words, and which heredocs it announces.
// Used inside of this folder only.
#pragma once

#include "dockerfile_parser/instructions.hpp"
#include "support/result.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dbuild::dockerfile_parser {

/// Bytes of a text, `end` not included.
struct TextRange {
    std::size_t begin = 0;
    std::size_t end = 0;
};

struct CommandSplit {
    std::string keyword;
    std::vector<std::string> flags;     // quotes and escapes removed, "--" included
    std::vector<TextRange> flag_ranges; // in the line, with quotes and escapes
    std::string rest;                   // trimmed
    std::size_t rest_begin = 0;         // in the line
};

/// Within a flag the escape character protects the next one, also between single quotes.
CommandSplit split_command(std::string_view line, char escape);

/// Splits on blanks, quotes not honoured. Of this and the next two, `ranges` takes where each word stands in the text.
std::vector<std::string> split_blanks(std::string_view text, std::vector<TextRange>& ranges);

/// Splits on blanks outside of quotes; quotes and escapes stay in the words.
std::vector<std::string> split_quoted_words(std::string_view text, char escape, std::vector<TextRange>& ranges);

/// The announced heredocs of a line, in order, with empty bodies.
std::vector<Heredoc> find_heredocs(std::string_view line);

/// The heredoc that one word announces, if it does.
std::optional<Heredoc> heredoc_of_word(std::string_view word);

/// Nothing when the text is not a JSON array: then it is taken as plain words.
/// Errors:  invalid_dockerfile without `where` — a JSON array with an element that is not a string.
Result<std::optional<std::vector<std::string>>> parse_json_words(std::string_view text, std::vector<TextRange>& ranges);

} // namespace dbuild::dockerfile_parser
