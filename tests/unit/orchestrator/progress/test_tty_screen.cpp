// SPDX-License-Identifier: Apache-2.0
// Frames as a terminal shows them, at given times and sizes.
#include "orchestrator/progress/tty_screen.hpp"
#include "tests/unit/orchestrator/progress/terminal_model.hpp"

#include <doctest/doctest.h>

#include <ostream>

using namespace dbuild;
using namespace dbuild::orchestrator::progress;
using namespace std::chrono_literals;

namespace {

/// Lines that a failing check prints.
struct Lines : std::vector<std::string> {
    using std::vector<std::string>::vector;
    Lines(std::vector<std::string> lines) : vector(std::move(lines)) {}
};
std::ostream& operator<<(std::ostream& out, const Lines& lines) {
    for (const auto& line : lines) out << '\n' << line;
    return out;
}

StepLabel step(const std::string& stage, int position, const std::string& text) {
    return {stage, position, 4, text, 10 + position};
}

/// A screen on a terminal, with a clock that the test sets.
struct Shown {
    explicit Shown(std::size_t columns = 50, std::size_t rows = 20) : size{columns, rows}, terminal(columns, rows) {}

    void tell(const Event& event) {
        screen.take(event, now);
        draw();
    }
    void draw() {
        last_frame = screen.frame(size, now);
        terminal.write(last_frame);
        CHECK(terminal.unknown == 0);
        CHECK(terminal.is_at_line_start());
    }
    void resize(std::size_t columns) {
        size.columns = columns;
        terminal.resize(columns);
    }

    ConsoleSize size;
    TerminalModel terminal;
    TtyScreen screen{true};
    TtyScreen::Time now{};
    std::string last_frame;
};

const StepLabel make = step("build", 2, "RUN make");
const StepLabel docs = step("docs", 1, "RUN sphinx");

} // namespace

TEST_SUITE("orchestrator/progress/tty_screen") {
    TEST_CASE("where everything hits there is the closing line and no escape sequence") {
        Shown shown;
        shown.tell(StepHit{make});
        CHECK(shown.last_frame.empty());
        shown.tell(BuildFinished{1, 0, 10ms, {{"sha256:1", 2'100'000, {"a:1", "b:2"}}}});
        CHECK(shown.last_frame == "1 hit, 0 run, 0.01 s, sha256:1, 2.1 MB, a:1 b:2\n");
    }
    TEST_CASE("what runs is drawn with its time and its last lines, hits stay above") {
        Shown shown;
        shown.tell(StepHit{step("build", 1, "COPY . .")});
        shown.tell(StepStarted{make, "a.c changed"});
        shown.now += 1500ms;
        shown.tell(StepOutput{make, "gcc a.c\ngcc b.c\ngcc "});
        CHECK(Lines(shown.terminal.text()) == Lines{" => [build 1/4] COPY . .                      hit",
                                                    "[+] 1 hit, 0 done, 1 running                 1.5s",
                                                    " => [build 2/4] RUN make (a.c changed)       1.5s",
                                                    "    | gcc a.c", "    | gcc b.c", "    | gcc"});
    }
    TEST_CASE("what is done stays above what runs, with its reason and its own time") {
        Shown shown;
        shown.tell(StepStarted{make, "a.c changed"});
        shown.tell(StepStarted{docs, ""});
        shown.tell(StepOutput{make, "gcc a.c\n"});
        shown.tell(StepOutput{docs, "reading\n"});
        shown.now += 2s;
        shown.tell(StepFinished{make, 1900ms, false});
        CHECK(Lines(shown.terminal.text()) == Lines{" => [build 2/4] RUN make (a.c changed)       1.9s",
                                                    "[+] 0 hit, 1 done, 1 running                 2.0s",
                                                    " => [docs 1/4] RUN sphinx                    2.0s",
                                                    "    | reading"});
        shown.tell(StepFinished{docs, 2s, true});
        shown.tell(BuildFinished{0, 2, 2100ms, {}});
        CHECK(Lines(shown.terminal.text()) == Lines{" => [build 2/4] RUN make (a.c changed)       1.9s",
                                                    " => [docs 1/4] RUN sphinx (cached by the en… 2.0s",
                                                    "0 hit, 2 run, 2.10 s"});
    }
    TEST_CASE("a step that starts again, or turns out a hit, runs once") {
        Shown shown;
        shown.tell(StepStarted{make, ""});
        shown.tell(StepStarted{docs, ""});
        shown.now += 1s;
        shown.tell(StepStarted{make, ""});
        shown.tell(StepHit{docs});
        CHECK(Lines(shown.terminal.text()) == Lines{"[+] 1 hit, 0 done, 1 running                 1.0s",
                                                    " => [build 2/4] RUN make                     0.0s"});
        shown.tell(BuildFinished{1, 1, 1s, {}});
        CHECK(Lines(shown.terminal.text()) ==
              Lines{" => [docs 1/4] RUN sphinx                     hit", "1 hit, 1 run, 1.00 s"});
    }
    TEST_CASE("a build that goes on without a running step keeps its heading") {
        Shown shown;
        shown.tell(StepStarted{make, ""});
        shown.tell(StepFinished{make, 1s, false});
        shown.now += 3s;
        shown.draw();
        CHECK(shown.terminal.text().back() == "[+] 0 hit, 1 done, 0 running                 3.0s");
    }
    TEST_CASE("a failure ends the region and tells the output, the excerpt and the error") {
        Shown shown(60);
        shown.tell(StepStarted{make, ""});
        shown.tell(StepStarted{docs, ""});
        shown.tell(StepOutput{make, "a.c:1: error\nmake: *** [all] Error 1"});
        shown.now += 1s;
        shown.tell(StepFailed{make, 2, "", "dbuild --target build ."});
        shown.tell(BuildFailed{
            {ErrorKind::step_failed, "RUN failed", {"   3 | >>> RUN make\n"}, SourceSpan{"Dockerfile", 3, 3, 0}}});
        CHECK(shown.terminal.text() == Lines{" => ERROR [build 2/4] RUN make: exit code: 2           1.0s", "------",
                                             " > [build 2/4] RUN make:", "a.c:1: error", "make: *** [all] Error 1",
                                             "------", "   3 | >>> RUN make", "To try it again:",
                                             "  dbuild --target build .", "Dockerfile:3: error: RUN failed"});
        shown.now += 1s;
        shown.draw();
        CHECK(shown.last_frame.empty());
    }
    TEST_CASE("lines are cut by what they take on the screen, wide characters whole") {
        Shown shown(30);
        shown.tell(StepStarted{step("b", 1, "RUN echo 日本語日本語日本語日本語"), ""});
        shown.tell(StepOutput{step("b", 1, "RUN echo 日本語日本語日本語日本語"), "一二三四五六七八九十一二三四五\n"});
        CHECK(Lines(shown.terminal.text()) ==
              Lines{"[+] 0 hit, 0 done, 1 ru… 0.0s", " => [b 1/4] RUN echo 日… 0.0s", "    | 一二三四五六七八九十一…"});
    }
    TEST_CASE("the region is lower than the terminal, whatever runs") {
        Shown shown(50, 8);
        std::vector<StepLabel> labels;
        for (int i = 1; i <= 12; ++i) {
            labels.push_back(step("s" + std::to_string(i), 1, "RUN x"));
            shown.tell(StepStarted{labels.back(), ""});
            shown.tell(StepOutput{labels.back(), "1\n2\n3\n4\n5\n6\n7\n8\n"});
            shown.draw();
            CHECK(shown.terminal.text().size() <= 7);
        }
        CHECK(shown.terminal.text().back() == " => and 8 more");
        for (const auto& label : labels) shown.tell(StepFinished{label, 1s, false});
        shown.tell(BuildFinished{});
        CHECK(shown.terminal.text().size() == 13); // each once, and the closing line: nothing was left behind
    }
    TEST_CASE("a narrower or wider terminal leaves nothing behind") {
        Shown shown(60);
        shown.tell(StepStarted{make, "a.c changed"});
        shown.tell(StepOutput{make, std::string(55, 'x') + "\nshort\n"});
        for (const std::size_t columns : {25, 80, 30, 15, 40}) {
            shown.resize(columns);
            shown.now += 100ms;
            shown.draw();
            CAPTURE(columns);
            CHECK(shown.terminal.text().size() == 4);
        }
        shown.tell(BuildFinished{});
        CHECK(Lines(shown.terminal.text()) == Lines{"0 hit, 0 run, 0.00 s"});
    }
    TEST_CASE("a terminal of next to no size is no trouble") {
        for (const ConsoleSize size : {ConsoleSize{1, 1}, ConsoleSize{2, 2}, ConsoleSize{5, 3}}) {
            TtyScreen screen(false);
            screen.take(StepStarted{make, "why"}, {});
            screen.take(StepOutput{make, "日本語\n"}, {});
            CHECK_FALSE(screen.frame(size, {}).empty());
        }
    }
    TEST_CASE("output cannot leave its line, and its colours do not reach the screen") {
        Shown shown;
        shown.tell(StepStarted{make, "\x1b[2J"});
        shown.tell(StepOutput{make, "\x1b[31mred\x1b[5A\x1b]0;t\x07\tx\r\n[+] forged\n"});
        shown.draw();
        CHECK(shown.terminal.text()[2] == "    | red x");
        CHECK(shown.terminal.text()[3] == "    | [+] forged");
        CHECK(shown.last_frame.find("\x1b[31m") == std::string::npos);
    }
    TEST_CASE("no frame changes a mode of the terminal") {
        Shown shown;
        shown.tell(StepStarted{make, ""});
        CHECK(shown.last_frame.find("\x1b[?") == std::string::npos);
        shown.tell(Warning{"w"});
        CHECK(shown.last_frame.find("\x1b[?") == std::string::npos);
        CHECK(shown.last_frame.find("\x1b[33mwarning: w\x1b[0m") != std::string::npos);
    }
    TEST_CASE("without colours there are none") {
        TtyScreen screen(false);
        screen.take(StepStarted{make, ""}, {});
        screen.take(StepOutput{make, "x\n"}, {});
        screen.take(Warning{"w"}, {});
        screen.take(StepFinished{make, 1s, false}, {});
        CHECK(screen.frame({}, {}).find('\x1b') == std::string::npos);
    }
    TEST_CASE("notes and warnings of several lines stay on one") {
        Shown shown;
        shown.tell(StepStarted{make, ""});
        shown.tell(Note{"pulling\nx"});
        CHECK(shown.terminal.text()[0] == "pulling x");
    }
    TEST_CASE("a build handed over leaves the terminal to docker buildx") {
        Shown shown;
        shown.tell(StepStarted{make, ""});
        shown.tell(BuildHandedOver{"docker buildx build", "--foo"});
        CHECK(shown.terminal.text().size() == 2); // longer than the line, and not cut
        CHECK_FALSE(shown.screen.has_region());
    }
}
