// SPDX-License-Identifier: Apache-2.0
// The few text rules of Go that Dockerfile grammar rests on: decoding UTF-8 and what counts as a blank.
// Used inside of this folder, and for UTF-8 by orchestrator/progress.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace dbuild::dockerfile_parser {

struct CodePoint {
    char32_t value = 0;
    std::size_t size = 1; // bytes; an invalid byte stands alone, as U+FFFD
};

/// In:      position < text.size().
CodePoint decode_utf8(std::string_view text, std::size_t position);
void append_utf8(std::string& out, char32_t value);

/// Go's unicode.IsSpace.
bool is_space(char32_t value);

std::string_view trim_left(std::string_view text);
std::string_view trim(std::string_view text);

bool is_ascii_letter(char32_t value);
bool is_ascii_digit(char32_t value);
std::string ascii_lower(std::string_view text);
std::string ascii_upper(std::string_view text);

/// Go's %q for messages and dumps.
std::string quoted(std::string_view text);

} // namespace dbuild::dockerfile_parser
