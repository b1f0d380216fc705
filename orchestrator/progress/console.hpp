// SPDX-License-Identifier: Apache-2.0
// Where progress is written to, and how wide text is there. Tests replace it by a string and a clock of their own.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace dbuild::orchestrator::progress {

struct ConsoleSize {
    std::size_t columns = 80, rows = 24;
};

struct Console {
    std::function<void(std::string_view bytes)> write;
    std::function<ConsoleSize()> size; // at this moment
    std::function<std::chrono::system_clock::time_point()> now;
    bool is_terminal = false;
    bool has_colours = false; // a terminal, and NO_COLOR (no-color.org) is not set
};

/// Standard error. One call of write is one write(2), as far as the system takes it; what it refuses is lost.
Console standard_error();

/// Columns that a line of valid UTF-8 without control characters takes; a tab counts as one.
std::size_t cells(std::string_view line);

/// The line, or as many whole characters of it as fit with "…" at the end. Out: at most `columns` wide; tabs are
/// blanks.
std::string fit(std::string_view line, std::size_t columns);

} // namespace dbuild::orchestrator::progress
