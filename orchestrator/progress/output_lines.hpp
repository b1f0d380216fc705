// SPDX-License-Identifier: Apache-2.0
// Turns what a command writes into lines that can do a terminal no harm. Whatever arrives, a line holds no line end,
// only valid UTF-8, and no control character but tabs, and (if they are kept) colours, which are switched off at its
// end.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace dbuild::orchestrator::progress {

/// Escape sequences that set colours and type style (CSI … m, "SGR"); all others are dropped in any case.
enum class Colours { dropped, kept };

class OutputLines {
public:
    using Sink = std::function<void(std::string_view line)>;

    explicit OutputLines(Colours colours = Colours::dropped) : colours_(colours) {}

    /// In: bytes — cut anywhere, also inside of a character or an escape sequence. `sink` gets every line that they
    /// end. A progress bar (carriage return, erase line, cursor to the first column, backspace) folds to its last
    /// state. Cost: bounded memory: of a line more than k_longest_line bytes are counted, not kept.
    void feed(std::string_view bytes, const Sink& sink);
    /// `sink` gets the last line, if there is text on it that has no end.
    void finish(const Sink& sink);
    /// What of the last line is there so far.
    std::string_view open_line() const { return line_; }

    static constexpr std::size_t k_longest_line = 4096;

private:
    enum class State { text, escape, escape_intermediate, sequence, command_string };

    void take_in_sequence(char32_t value, const Sink& sink);
    void take_control(char32_t value, const Sink& sink);
    void take_text(std::string_view utf8);
    void end_sequence(char32_t final_byte);
    void end_line(const Sink& sink);
    void restart_line();
    void remove_last_character();

    Colours colours_;
    State state_ = State::text;
    std::string line_;
    std::string cut_character_;     // start of a UTF-8 sequence whose rest is still to come
    std::string parameters_;        // of an escape sequence
    std::size_t dropped_bytes_ = 0; // of the current line, beyond k_longest_line
    bool has_returned_ = false;     // to the first column: what comes next replaces the line
    bool has_text_ = false;
    bool has_colour_ = false;
};

/// One line of text that dbuild did not write itself (an instruction, a message), made harmless the same way; line ends
/// and tabs become blanks.
std::string harmless(std::string_view text);

} // namespace dbuild::orchestrator::progress
