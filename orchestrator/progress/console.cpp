// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/progress/console.hpp"

#include "dockerfile_parser/unicode.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <locale.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

namespace dbuild::orchestrator::progress {
namespace {

using dockerfile_parser::decode_utf8;

void write_to_stderr(std::string_view bytes) {
    while (!bytes.empty()) {
        const auto count = ::write(STDERR_FILENO, bytes.data(), bytes.size());
        if (count > 0) {
            bytes.remove_prefix(static_cast<std::size_t>(count));
        } else if (errno == EAGAIN) { // another owner of the terminal made it non-blocking
            pollfd writable{STDERR_FILENO, POLLOUT, 0};
            ::poll(&writable, 1, -1);
        } else if (errno != EINTR) {
            return;
        }
    }
}

ConsoleSize size_of_stderr() {
    winsize size{};
    if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {};
    return {size.ws_col, size.ws_row};
}

/// The C library's table of widths, whatever the user's locale is; read when the first wide character comes.
std::size_t cells_of(char32_t value) {
    if (value < 0x300) return 1;
    if (value == 0xfe0f) return 1; // asks for the emoji form, which is wider on some terminals
    static const locale_t utf8 = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
    if (utf8 == nullptr) return 2; // at worst a line is cut early
    const auto before = ::uselocale(utf8);
    const int width = ::wcwidth(static_cast<wchar_t>(value));
    ::uselocale(before);
    return width < 0 ? 1 : static_cast<std::size_t>(width);
}

} // namespace

Console standard_error() {
    Console console{write_to_stderr, size_of_stderr, std::chrono::system_clock::now};
    console.is_terminal = ::isatty(STDERR_FILENO) == 1;
    const char* no_color = std::getenv("NO_COLOR");
    console.has_colours = console.is_terminal && (no_color == nullptr || *no_color == '\0');
    return console;
}

std::size_t cells(std::string_view line) {
    std::size_t sum = 0;
    for (std::size_t i = 0; i < line.size();) {
        const auto character = decode_utf8(line, i);
        sum += cells_of(character.value);
        i += character.size;
    }
    return sum;
}

std::string fit(std::string_view line, std::size_t columns) {
    if (columns == 0) return {};
    std::string text;
    std::size_t used = 0, end_with_room = 0; // room for the "…"
    for (std::size_t i = 0; i < line.size();) {
        const auto character = decode_utf8(line, i);
        used += cells_of(character.value);
        if (used > columns) return text.substr(0, end_with_room) + "…";
        text += line[i] == '\t' ? " " : line.substr(i, character.size);
        if (used < columns) end_with_room = text.size();
        i += character.size;
    }
    return text;
}

} // namespace dbuild::orchestrator::progress
