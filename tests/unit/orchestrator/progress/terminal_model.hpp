// SPDX-License-Identifier: Apache-2.0
// A small terminal for tests: text with wrapping and wide characters, carriage return, line feed, cursor up, erase to
// the end of the line and of the screen. Colours are ignored; every other control is counted as unknown, so that a test
// can insist on none.
#pragma once

#include "dockerfile_parser/unicode.hpp"
#include "orchestrator/progress/console.hpp"

#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

namespace dbuild::orchestrator::progress {

class TerminalModel {
public:
    TerminalModel(std::size_t columns, std::size_t rows) : columns_(columns), rows_(rows), lines_(1) {}

    int unknown = 0; // controls that this terminal does not have

    void write(std::string_view bytes) {
        for (std::size_t i = 0; i < bytes.size();) {
            if (bytes[i] == '\x1b') {
                i += escape(bytes.substr(i));
                continue;
            }
            const auto character = dockerfile_parser::decode_utf8(bytes, i);
            put(std::string(bytes.substr(i, character.size)));
            i += character.size;
        }
    }

    /// Everything that was ever shown, what scrolled away first; lines without blanks at their ends, wrapped rows
    /// apart.
    std::vector<std::string> text() const {
        std::vector<std::string> result;
        for (const auto& line : lines_) {
            std::string row;
            for (const auto& cell : line.cells) row += cell;
            row.erase(row.find_last_not_of(' ') + 1);
            result.push_back(row);
        }
        while (!result.empty() && result.back().empty()) result.pop_back();
        return result;
    }

    bool is_at_line_start() const { return column_ == 0; }

    /// As most terminals do: lines that no longer fit are wrapped, and those that were wrapped are joined.
    void resize(std::size_t columns) {
        std::vector<Line> old;
        std::swap(old, lines_);
        const auto cursor = row_;
        columns_ = columns;
        std::vector<std::string> joined;
        for (std::size_t i = 0; i < old.size(); ++i) {
            joined.insert(joined.end(), old[i].cells.begin(), old[i].cells.end());
            if (old[i].is_wrapped) continue;
            do {
                const auto size = std::min(columns_, joined.size());
                lines_.push_back({{joined.begin(), joined.begin() + static_cast<std::ptrdiff_t>(size)}, false});
                joined.erase(joined.begin(), joined.begin() + static_cast<std::ptrdiff_t>(size));
                lines_.back().is_wrapped = !joined.empty();
            } while (!joined.empty());
            if (i == cursor) row_ = lines_.size() - 1;
        }
    }

private:
    struct Line {
        std::vector<std::string> cells; // the second one of a wide character is empty
        bool is_wrapped = false;        // goes on in the next line
    };

    void line_feed() {
        if (++row_ == lines_.size()) lines_.emplace_back();
    }

    void put(const std::string& character) {
        if (character == "\n" || character == "\r") {
            column_ = 0; // a terminal's driver makes \r\n of \n
            if (character == "\n") line_feed();
            return;
        }
        if (static_cast<unsigned char>(character.front()) < 0x20 || character == "\x7f") {
            ++unknown;
            return;
        }
        const auto width = cells(character);
        if (column_ + width > columns_) {
            lines_[row_].is_wrapped = true;
            column_ = 0;
            line_feed();
        }
        auto& row = lines_[row_].cells;
        if (width == 0) {
            if (column_ > 0) row[column_ - 1] += character;
            return;
        }
        if (row.size() < column_ + width) row.resize(column_ + width, " ");
        row[column_] = character;
        for (std::size_t i = 1; i < width; ++i) row[column_ + i].clear();
        column_ += width;
    }

    std::size_t escape(std::string_view bytes) {
        const auto end = bytes.find_first_not_of("0123456789;", 2);
        if (bytes.size() < 3 || bytes[1] != '[' || end == bytes.npos) {
            ++unknown;
            return bytes.size();
        }
        std::size_t number = 1;
        std::from_chars(bytes.data() + 2, bytes.data() + end, number);
        const bool has_number = end > 2;
        const auto top =
            lines_.size() > rows_ ? lines_.size() - rows_ : 0; // lines above it are out of the cursor's reach
        auto& row = lines_[row_].cells;
        switch (bytes[end]) {
        case 'm': break;
        case 'A': row_ = std::max(top, row_ - std::min(row_, number)); break;
        case 'K':
            if (has_number) ++unknown;
            row.resize(std::min(row.size(), column_));
            break;
        case 'J':
            if (has_number) ++unknown;
            row.resize(std::min(row.size(), column_));
            for (auto i = row_ + 1; i < lines_.size(); ++i) lines_[i] = {};
            break;
        default: ++unknown;
        }
        return end + 1;
    }

    std::size_t columns_, rows_;
    std::vector<Line> lines_; // the last `rows_` of them are the screen
    std::size_t row_ = 0, column_ = 0;
};

} // namespace dbuild::orchestrator::progress
