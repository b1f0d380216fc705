// SPDX-License-Identifier: Apache-2.0
// What hostile and clumsy output becomes: every case both in one piece and cut at every byte.
#include "orchestrator/progress/output_lines.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace dbuild::orchestrator::progress;

namespace {

using Lines = std::vector<std::string>;

Lines lines_of(const std::vector<std::string_view>& chunks, Colours colours) {
    Lines result;
    OutputLines lines(colours);
    const auto keep = [&](std::string_view line) { result.emplace_back(line); };
    for (const auto chunk : chunks) lines.feed(chunk, keep);
    lines.finish(keep);
    return result;
}

/// The lines of `bytes`, which must not depend on where they are cut.
Lines lines_of(std::string_view bytes, Colours colours = Colours::dropped) {
    const auto whole = lines_of(std::vector{bytes}, colours);
    std::vector<std::string_view> single;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        single.push_back(bytes.substr(i, 1));
        CHECK(lines_of({bytes.substr(0, i), bytes.substr(i)}, colours) == whole);
    }
    CHECK(lines_of(single, colours) == whole);
    return whole;
}

Lines coloured(std::string_view bytes) { return lines_of(bytes, Colours::kept); }

} // namespace

TEST_SUITE("orchestrator/progress/output_lines") {
    TEST_CASE("text is kept as it is, empty lines and a last line without an end included") {
        CHECK(lines_of("a\n\n b\tc\nd") == Lines{"a", "", " b\tc", "d"});
        CHECK(lines_of("a\n") == Lines{"a"});
        CHECK(lines_of("").empty());
        CHECK(lines_of("日本語 é 🙂\n") == Lines{"日本語 é 🙂"});
    }
    TEST_CASE("a line with carriage return and line feed is one line") {
        CHECK(lines_of("one\r\ntwo\r\r\n") == Lines{"one", "two"});
    }
    TEST_CASE("a progress bar folds to its last state") {
        CHECK(lines_of("10%\r50%\r100%\ndone\n") == Lines{"100%", "done"});
        CHECK(lines_of("10%\r50%\r") == Lines{"50%"});
        CHECK(lines_of("10%\x1b[2K\x1b[1G50%\x1b[2K\x1b[G100%\n") == Lines{"100%"});
        CHECK(lines_of("long text\x1b[2Knew\n") == Lines{"new"});
        CHECK(lines_of("-\b\\\b|\b/\bdone\n") == Lines{"done"});
    }
    TEST_CASE("backspaces remove whole characters, and no more than there are") {
        CHECK(lines_of("xé\by\n") == Lines{"xy"});
        CHECK(lines_of("a\b\b\bb\n") == Lines{"b"});
        CHECK(coloured("\x1b[31ma\bb\n") == Lines{"\x1b[31mab\x1b[0m"}); // none between colours
    }
    TEST_CASE("colours are kept or dropped as asked, and end with their line") {
        CHECK(coloured("\x1b[1;31mred\x1b[0m plain\n") == Lines{"\x1b[1;31mred\x1b[0m plain\x1b[0m"});
        CHECK(coloured("\x1b[38:2:1:2:3mx\nnext\n") == Lines{"\x1b[38:2:1:2:3mx\x1b[0m", "next"});
        CHECK(coloured("\xc2\x9b"
                       "32mx\n") == Lines{"\x1b[32mx\x1b[0m"});
        CHECK(lines_of("\x1b[1;31mred\x1b[0m plain\n") == Lines{"red plain"});
        CHECK(coloured("a\n\x1b[0m") == Lines{"a"}); // no line of colours alone
        CHECK(coloured("\x1b[31mold\rnew\n") == Lines{"new"});
    }
    TEST_CASE("the cursor, the screen and the modes of the terminal are out of reach") {
        for (const char* sequence :
             {"\x1b[2J", "\x1b[H", "\x1b[10;10H", "\x1b[3A", "\x1b[9999D", "\x1b[?25l", "\x1b[?1049h", "\x1b[?2004h",
              "\x1b[6n", "\x1b[c", "\x1b[5i", "\x1b[r", "\x1b[0K", "\x1b[3J", "\x1b[!p", "\x1b[ q", "\x1b[4h"}) {
            CAPTURE(sequence);
            CHECK(coloured(std::string("a") + sequence + "b\n") == Lines{"ab"});
        }
    }
    TEST_CASE("an m at the end does not make a sequence a colour") {
        CHECK(coloured("a\x1b[>4;1mb\n") == Lines{"ab"}); // xterm: how keys are sent
        CHECK(coloured("a\x1b[?4mb\n") == Lines{"ab"});
        CHECK(coloured("a\x1b[1 mb\n") == Lines{"ab"});
    }
    TEST_CASE("titles, links, clipboards and other strings are dropped with their ends") {
        CHECK(lines_of("a\x1b]0;evil title\x07"
                       "b\n") == Lines{"ab"});
        CHECK(lines_of("a\x1b]52;c;ZXZpbA==\x1b\\b\n") == Lines{"ab"});
        CHECK(lines_of("a\x1b]8;;http://evil\x1b\\text\x1b]8;;\x1b\\b\n") == Lines{"atextb"});
        CHECK(lines_of("a\x1bP1$r0m\x1b\\b\n") == Lines{"ab"});
        CHECK(lines_of("a\x1b_apc\x1b\\\x1b^pm\x1b\\\x1bXsos\x1b\\b\n") == Lines{"ab"});
        CHECK(lines_of("a\xc2\x9d"
                       "0;title\xc2\x9c"
                       "b\n") == Lines{"ab"}); // the same in C1
    }
    TEST_CASE("a string without an end takes no more than its line") {
        CHECK(lines_of("a\x1b]0;never closed\nnext\n") == Lines{"a", "next"});
        CHECK(lines_of("a\x1b]0;never closed") == Lines{"a"});
        CHECK(lines_of("a\x1b[12\nnext\n") == Lines{"a", "next"});
        CHECK(lines_of("a\x1b") == Lines{"a"});
    }
    TEST_CASE("two-byte escapes and character sets are dropped") {
        CHECK(lines_of("a\x1b"
                       "cb\n") == Lines{"ab"}); // full reset
        CHECK(lines_of("a\x1b"
                       "7b\x1b"
                       "8c\n") == Lines{"abc"});
        CHECK(lines_of("a\x1b(0lqk\x1b(Bb\n") == Lines{"alqkb"}); // line drawing
        CHECK(lines_of("a\x1b#8b\n") == Lines{"ab"});             // fills the screen with E
        CHECK(lines_of("a\x1b\x1b[Ab\n") == Lines{"ab"});
        CHECK(lines_of("a\x1bMb\n") == Lines{"ab"}); // reverse line feed
    }
    TEST_CASE("other control characters are shown") {
        CHECK(lines_of(std::string_view("a\0b\a\v\f\x0e\x7f\n", 9)) == Lines{"a^@b^G^K^L^N^?"});
    }
    TEST_CASE("a control character ends a sequence that was begun") {
        CHECK(lines_of("a\x1b[3\rb\n") == Lines{"b"});
        CHECK(lines_of("a\x1b[3\x07"
                       "1mb\n") == Lines{"a^G1mb"});
    }
    TEST_CASE("C1 controls in UTF-8 vanish, and their bytes alone are no characters") {
        CHECK(lines_of("a\xc2\x85"
                       "b\xc2\x84"
                       "c\n") == Lines{"abc"});
        CHECK(lines_of("a\x9b"
                       "31mb\n") == Lines{"a\uFFFD31mb"});
        CHECK(lines_of("a\x9d"
                       "0;t\n") == Lines{"a\uFFFD0;t"});
    }
    TEST_CASE("what is not UTF-8 is replaced, byte by byte") {
        CHECK(lines_of("\xff\xfe"
                       "a\n") == Lines{"\uFFFD\uFFFDa"});
        CHECK(lines_of("\xc0\xaf\n") == Lines{"\uFFFD\uFFFD"});                     // overlong "/"
        CHECK(lines_of("\xed\xa0\x80\n") == Lines{"\uFFFD\uFFFD\uFFFD"});           // half of a surrogate pair
        CHECK(lines_of("\xf4\x90\x80\x80\n") == Lines{"\uFFFD\uFFFD\uFFFD\uFFFD"}); // beyond Unicode
        CHECK(lines_of("caf\xe9\n") == Lines{"caf\uFFFD"});                         // Latin-1
        CHECK(lines_of("x\xe6\x97\n") == Lines{"x\uFFFD\uFFFD"});
    }
    TEST_CASE("a character cut at the very end is one replacement") {
        CHECK(lines_of("a\xe6\x97") == Lines{"a\uFFFD"});
        CHECK(lines_of("a\xf0\x9f") == Lines{"a\uFFFD"});
    }
    TEST_CASE("characters that reorder or break lines are replaced") {
        CHECK(lines_of("a\u202Ee\u2066b\u2069\n") == Lines{"a\uFFFDe\uFFFDb\uFFFD"});
        CHECK(lines_of("a\u2028b\u2029c\n") == Lines{"a\uFFFDb\uFFFDc"});
    }
    TEST_CASE("a forged prefix stays behind the real one: line ends are the only way to a new line") {
        for (const char* attempt : {"\x1b"
                                    "E",
                                    "\x1b"
                                    "D",
                                    "\v", "\f", "\xc2\x85", "\u2028", "\x1b[1E", "\x1b[1B"}) {
            CAPTURE(attempt);
            CHECK(lines_of(std::string("a") + attempt + "[build 1/1] done\n").size() == 1);
        }
    }
    TEST_CASE("a long line is kept up to its limit, and the rest is counted") {
        const auto limit = OutputLines::k_longest_line;
        const auto lines =
            lines_of(std::vector<std::string_view>{std::string(limit + 1000, 'x') + "\nshort\n"}, Colours::dropped);
        REQUIRE(lines.size() == 2);
        CHECK(lines[0] == std::string(limit, 'x') + " … (1000 bytes more)");
        CHECK(lines[1] == "short");
    }
    TEST_CASE("the limit cuts no character in two") {
        const auto text = std::string(OutputLines::k_longest_line - 1, 'x') + "é!\n";
        CHECK(lines_of(std::vector<std::string_view>{text}, Colours::dropped) ==
              Lines{std::string(OutputLines::k_longest_line - 1, 'x') + " … (3 bytes more)"});
    }
    TEST_CASE("neither endless lines nor endless sequences take memory") {
        OutputLines lines(Colours::kept);
        std::size_t count = 0;
        const auto keep = [&](std::string_view) { ++count; };
        for (const char* piece : {"x", "\x1b]0;", "\x1b[1", "\x1b[31m", "é"})
            for (int i = 0; i < 20000; ++i) lines.feed(piece, keep);
        CHECK(lines.open_line().size() <= OutputLines::k_longest_line);
        CHECK(count == 0);
    }
    TEST_CASE("the open line is what has come so far") {
        OutputLines lines;
        lines.feed("done\npass", [](std::string_view) {});
        CHECK(lines.open_line() == "pass");
        lines.feed("word: ", [](std::string_view) {});
        CHECK(lines.open_line() == "password: ");
    }
    TEST_CASE("harmless makes one line of any text") {
        CHECK(harmless("RUN a\n    b\tc") == "RUN a     b c");
        CHECK(harmless("\x1b[31mx\x1b]0;t\x07") == "x");
        CHECK(harmless("").empty());
    }
}
