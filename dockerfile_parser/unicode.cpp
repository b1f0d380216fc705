// SPDX-License-Identifier: Apache-2.0
// Text rules of Go, see unicode.hpp.
#include "dockerfile_parser/unicode.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace dbuild::dockerfile_parser {

namespace {

constexpr char32_t k_replacement = 0xFFFD;

unsigned char byte_at(std::string_view text, std::size_t position) {
    return static_cast<unsigned char>(text[position]);
}

} // namespace

CodePoint decode_utf8(std::string_view text, std::size_t position) {
    const unsigned char lead = byte_at(text, position);
    if (lead < 0x80) return {lead, 1};
    const std::size_t size = lead >= 0xF0 && lead < 0xF5 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 1;
    if (lead >= 0xF5 || size == 1 || position + size > text.size()) return {k_replacement, 1};
    char32_t value = lead & (0x7FU >> size);
    for (std::size_t i = 1; i < size; ++i) {
        const unsigned char next = byte_at(text, position + i);
        if ((next & 0xC0U) != 0x80U) return {k_replacement, 1};
        value = (value << 6U) | (next & 0x3FU);
    }
    const bool is_overlong = (size == 3 && value < 0x800) || (size == 4 && value < 0x10000);
    const bool is_surrogate = value >= 0xD800 && value <= 0xDFFF;
    if (is_overlong || is_surrogate || value > 0x10FFFF) return {k_replacement, 1};
    return {value, size};
}

void append_utf8(std::string& out, char32_t value) {
    const auto push = [&out](char32_t byte) { out.push_back(static_cast<char>(byte)); };
    if (value < 0x80) {
        push(value);
    } else if (value < 0x800) {
        push(0xC0U | (value >> 6U));
        push(0x80U | (value & 0x3FU));
    } else if (value < 0x10000) {
        push(0xE0U | (value >> 12U));
        push(0x80U | ((value >> 6U) & 0x3FU));
        push(0x80U | (value & 0x3FU));
    } else {
        push(0xF0U | (value >> 18U));
        push(0x80U | ((value >> 12U) & 0x3FU));
        push(0x80U | ((value >> 6U) & 0x3FU));
        push(0x80U | (value & 0x3FU));
    }
}

bool is_space(char32_t value) {
    if (value < 0x80) return value == ' ' || (value >= '\t' && value <= '\r');
    return value == 0x85 || value == 0xA0 || value == 0x1680 || (value >= 0x2000 && value <= 0x200A) ||
           value == 0x2028 || value == 0x2029 || value == 0x202F || value == 0x205F || value == 0x3000;
}

std::string_view trim_left(std::string_view text) {
    while (!text.empty()) {
        const CodePoint point = decode_utf8(text, 0);
        if (!is_space(point.value)) break;
        text.remove_prefix(point.size);
    }
    return text;
}

std::string_view trim(std::string_view text) {
    text = trim_left(text);
    std::size_t end = 0;
    for (std::size_t position = 0; position < text.size();) {
        const CodePoint point = decode_utf8(text, position);
        position += point.size;
        if (!is_space(point.value)) end = position;
    }
    return text.substr(0, end);
}

bool is_ascii_letter(char32_t value) { return (value >= 'a' && value <= 'z') || (value >= 'A' && value <= 'Z'); }
bool is_ascii_digit(char32_t value) { return value >= '0' && value <= '9'; }

std::string ascii_lower(std::string_view text) {
    std::string result(text);
    std::transform(result.begin(), result.end(), result.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return result;
}

std::string ascii_upper(std::string_view text) {
    std::string result(text);
    std::transform(result.begin(), result.end(), result.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
    return result;
}

std::string quoted(std::string_view text) {
    static constexpr std::string_view k_controls = "\a\b\f\n\r\t\v";
    static constexpr std::string_view k_letters = "abfnrtv";
    std::string result = "\"";
    for (const char c : text) {
        const std::size_t control = k_controls.find(c);
        if (c == '"' || c == '\\') {
            result += '\\';
            result += c;
        } else if (control != std::string_view::npos) {
            result += '\\';
            result += k_letters[control];
        } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
            result += fmt::format("\\x{:02x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
        } else {
            result += c;
        }
    }
    return result + "\"";
}

} // namespace dbuild::dockerfile_parser
