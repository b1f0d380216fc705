// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/progress/output_lines.hpp"

#include "dockerfile_parser/unicode.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace dbuild::orchestrator::progress {
namespace {

using dockerfile_parser::decode_utf8;

constexpr char32_t k_escape = 0x1b, k_delete = 0x7f;
constexpr std::string_view k_replacement = "\uFFFD";
constexpr std::size_t k_longest_parameters = 64; // longer ones belong to no colour

bool is_control(char32_t value) { return value < 0x20 || (value >= k_delete && value < 0xa0); }

/// Characters without a form of their own that change the order in which a line is shown. (Unicode, UAX 9.)
bool reorders_text(char32_t value) {
    return (value >= 0x202a && value <= 0x202e) || (value >= 0x2066 && value <= 0x2069) || value == 0x200e ||
           value == 0x200f || value == 0x061c;
}

bool breaks_lines(char32_t value) { return value == 0x2028 || value == 0x2029; }

/// Bytes at the front that are printable ASCII: most of all output, so it is worth a loop of its own.
std::size_t plain_prefix(std::string_view bytes) {
    const auto end = std::find_if(bytes.begin(), bytes.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte < 0x20 || byte >= k_delete;
    });
    return static_cast<std::size_t>(end - bytes.begin());
}

std::size_t expected_size(unsigned char lead) { return lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1; }

/// Bytes at the end that begin a character and may become a valid one with what comes next.
std::size_t cut_suffix(std::string_view bytes) {
    for (std::size_t size = 1; size <= std::min<std::size_t>(3, bytes.size()); ++size) {
        const auto byte = static_cast<unsigned char>(bytes[bytes.size() - size]);
        if ((byte & 0xc0U) == 0x80U) continue;
        return byte >= 0xc0 && byte < 0xf8 && expected_size(byte) > size ? size : 0;
    }
    return 0;
}

} // namespace

void OutputLines::feed(std::string_view bytes, const Sink& sink) {
    std::string joined;
    if (!cut_character_.empty()) {
        joined = std::exchange(cut_character_, {}).append(bytes);
        bytes = joined;
    }
    const auto cut = cut_suffix(bytes);
    cut_character_ = bytes.substr(bytes.size() - cut);
    bytes.remove_suffix(cut);
    while (!bytes.empty()) {
        if (state_ == State::text) {
            const auto plain = plain_prefix(bytes);
            if (plain > 0) {
                take_text(bytes.substr(0, plain));
                bytes.remove_prefix(plain);
                continue;
            }
        }
        const auto character = decode_utf8(bytes, 0);
        if (is_control(character.value) || state_ != State::text)
            take_in_sequence(character.value, sink);
        else if (character.value == 0xfffd || reorders_text(character.value) || breaks_lines(character.value))
            take_text(k_replacement);
        else
            take_text(bytes.substr(0, character.size));
        bytes.remove_prefix(character.size);
    }
}

void OutputLines::finish(const Sink& sink) {
    if (!cut_character_.empty() && state_ == State::text) take_text(k_replacement);
    cut_character_.clear();
    state_ = State::text;
    if (has_text_) end_line(sink);
}

/// The grammar of ECMA-48: ESC X, ESC ( B, CSI parameters final, and strings (OSC, DCS, …) up to ST or BEL.
void OutputLines::take_in_sequence(char32_t value, const Sink& sink) {
    const bool ends_string = state_ == State::command_string && (value == 0x07 || value == 0x9c);
    if (ends_string) {
        state_ = State::text;
    } else if (state_ == State::command_string && value != k_escape && value != '\n') {
        // dropped: a title, a link, what the clipboard should hold
    } else if (is_control(value)) { // also ends whatever was begun
        take_control(value, sink);
    } else if (state_ == State::escape && value >= 0x40 && value < 0x60) {
        take_control(value + 0x40, sink); // ESC [ is the two-byte spelling of U+009B, and so on
    } else if (state_ == State::escape && value >= 0x20 && value < 0x30) {
        state_ = State::escape_intermediate;
    } else if (state_ == State::sequence && value < 0x40) {
        if (parameters_.size() < k_longest_parameters) parameters_ += static_cast<char>(value);
    } else if (state_ == State::sequence && value < k_delete) {
        end_sequence(value);
    } else if (state_ != State::escape_intermediate || value >= 0x30) {
        state_ = State::text;
    }
}

void OutputLines::take_control(char32_t value, const Sink& sink) {
    state_ = State::text;
    switch (value) {
    case '\n': end_line(sink); break;
    case '\r': has_returned_ = true; break;
    case '\t': take_text("\t"); break;
    case '\b': remove_last_character(); break;
    case k_escape: state_ = State::escape; break;
    case 0x9b:
        state_ = State::sequence;
        parameters_.clear();
        break;
    case 0x90:
    case 0x98:
    case 0x9d:
    case 0x9e:
    case 0x9f: state_ = State::command_string; break;
    default:
        if (value < 0x80) take_text(std::string{'^', static_cast<char>(value ^ 0x40)}); // as `cat -v` shows them
    }
}

void OutputLines::end_sequence(char32_t final_byte) {
    state_ = State::text;
    const bool is_plain =
        parameters_.size() < k_longest_parameters && parameters_.find_first_not_of("0123456789;:") == std::string::npos;
    if (!is_plain) return; // "CSI > 4 m" sets how keys are sent, for one
    if (final_byte == 'm' && colours_ == Colours::kept) {
        restart_line();
        if (line_.size() + parameters_.size() + 3 > k_longest_line) return;
        line_ += "\x1b[" + parameters_ + "m";
        has_colour_ = true;
    } else if (final_byte == 'G' && (parameters_.empty() || parameters_ == "1")) {
        has_returned_ = true;
    } else if (final_byte == 'K' && parameters_ == "2") {
        has_returned_ = true;
        restart_line();
    }
}

void OutputLines::take_text(std::string_view utf8) {
    restart_line();
    auto kept = std::min(utf8.size(), k_longest_line - std::min(line_.size(), k_longest_line));
    const bool is_ascii = static_cast<unsigned char>(utf8.front()) < 0x80;
    if (dropped_bytes_ > 0 || (kept < utf8.size() && !is_ascii)) kept = 0; // no part of a character
    has_text_ = true;
    line_ += utf8.substr(0, kept);
    dropped_bytes_ += utf8.size() - kept;
}

void OutputLines::restart_line() {
    if (!has_returned_) return;
    has_returned_ = false;
    has_text_ = has_colour_ = false;
    dropped_bytes_ = 0;
    line_.clear();
}

/// Nothing between colours: which bytes are a character is not known there any more.
void OutputLines::remove_last_character() {
    if (has_colour_ || dropped_bytes_ > 0 || has_returned_) return;
    while (!line_.empty()) {
        const auto byte = static_cast<unsigned char>(line_.back());
        line_.pop_back();
        if ((byte & 0xc0U) != 0x80U) break;
    }
}

void OutputLines::end_line(const Sink& sink) {
    if (dropped_bytes_ > 0) line_ += fmt::format(" … ({} bytes more)", dropped_bytes_);
    if (has_colour_) line_ += "\x1b[0m";
    sink(line_);
    has_returned_ = true;
    restart_line();
}

std::string harmless(std::string_view text) {
    std::string line;
    OutputLines lines;
    const auto append = [&line](std::string_view part) {
        line += line.empty() ? std::string(part) : " " + std::string(part);
    };
    lines.feed(text, append);
    lines.finish(append);
    std::replace(line.begin(), line.end(), '\t', ' ');
    return line;
}

} // namespace dbuild::orchestrator::progress
