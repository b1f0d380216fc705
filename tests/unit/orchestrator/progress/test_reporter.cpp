// SPDX-License-Identifier: Apache-2.0
// The forms of progress that are written line by line, as they come out for one build; and who chooses the form.
#include "orchestrator/progress/reporter.hpp"

#include <boost/json.hpp>
#include <doctest/doctest.h>

#include <cstdlib>
#include <mutex>
#include <thread>
#include <vector>

using namespace dbuild;
using namespace dbuild::orchestrator::progress;
using namespace std::chrono_literals;
namespace json = boost::json;

namespace {

/// A console that keeps what is written. Guarded, because the tty reporter draws from a thread of its own.
struct Written {
    std::string text() const {
        const std::lock_guard lock(mutex);
        return bytes;
    }
    Console console(bool is_terminal = false) {
        Console result;
        result.write = [this](std::string_view part) {
            const std::lock_guard lock(mutex);
            bytes += part;
        };
        result.size = [] { return ConsoleSize{}; };
        result.now = [] { return std::chrono::system_clock::time_point(1'700'000'000s); };
        result.is_terminal = result.has_colours = is_terminal;
        return result;
    }
    mutable std::mutex mutex;
    std::string bytes;
};

const StepLabel copy{"build", 2, 4, "COPY . /src", 3};
const StepLabel make{"build", 3, 4, "RUN make all", 4};
const StepLabel docs{"docs", 1, 1, "RUN sphinx", 7};

void tell_build(Reporter& reporter) {
    reporter.note("pulling x");
    reporter.report(StepHit{copy});
    reporter.report(StepStarted{make, "a.c changed"});
    reporter.report(StepOutput{make, "gcc a.c\ngc"});
    reporter.report(StepStarted{docs, ""});
    reporter.report(StepOutput{docs, "\x1b[32mreading\x1b[0m\n"});
    reporter.report(StepOutput{make, "c b.c"});
    reporter.report(StepFinished{make, 1234ms, false});
    reporter.report(StepFinished{docs, 10ms, true});
    reporter.warning("slow\x1b[2J");
    reporter.report(BuildFinished{1, 2, 3410ms, {{"sha256:1", 12'345'678, {"demo:1"}}}});
}

void tell_failure(Reporter& reporter) {
    reporter.report(StepHit{copy});
    reporter.report(StepStarted{make, ""});
    reporter.report(StepOutput{make, "a.c:1: error\n"});
    reporter.report(StepFailed{make, 2, "did not complete", "dbuild --target build ."});
    reporter.report(BuildFailed{{ErrorKind::step_failed,
                                 "RUN failed: exit code: 2",
                                 {"Dockerfile:4\n   4 | >>> RUN make\n"},
                                 SourceSpan{"Dockerfile", 4, 5, 0}}});
}

constexpr const char* k_failure_story = "------\n"
                                        " > [build 3/4] RUN make all:\n"
                                        "a.c:1: error\n"
                                        "------\n"
                                        "Dockerfile:4\n"
                                        "   4 | >>> RUN make\n"
                                        "To try it again:\n"
                                        "  dbuild --target build .\n"
                                        "Dockerfile:4: error: RUN failed: exit code: 2\n";

std::vector<json::object> documents(const std::string& text) {
    std::vector<json::object> result;
    std::size_t begin = 0;
    for (auto end = text.find('\n'); end != text.npos; begin = end + 1, end = text.find('\n', begin))
        result.push_back(json::parse(text.substr(begin, end - begin)).as_object());
    CHECK(begin == text.size());
    return result;
}

} // namespace

TEST_SUITE("orchestrator/progress/reporter") {
    TEST_CASE("plain: a line for everything, each with its step") {
        Written written;
        tell_build(*make_plain_reporter(written.console()));
        CHECK(written.text() == "pulling x\n"
                                "[build 2/4] COPY . /src: hit\n"
                                "[build 3/4] RUN make all: running (a.c changed)\n"
                                "[build 3/4] | gcc a.c\n"
                                "[docs 1/1] RUN sphinx: running\n"
                                "[docs 1/1] | reading\n"
                                "[build 3/4] | gcc b.c\n"
                                "[build 3/4] done in 1.2 s\n"
                                "[docs 1/1] done in 0.0 s (cached by the engine)\n"
                                "warning: slow\n"
                                "1 hit, 2 run, 3.41 s, sha256:1, 12.3 MB, demo:1\n");
    }
    TEST_CASE("plain: where everything hits, one line") {
        Written written;
        const auto reporter = make_plain_reporter(written.console());
        reporter->report(StepHit{copy});
        reporter->report(StepHit{docs});
        reporter->report(BuildFinished{2, 0, 10ms, {{"sha256:1", 0, {}}}});
        CHECK(written.text() == "2 hit, 0 run, 0.01 s, sha256:1, 0.0 MB\n");
    }
    TEST_CASE("plain: hits of a stage that comes after what ran are told too") {
        Written written;
        const auto reporter = make_plain_reporter(written.console());
        reporter->report(StepFinished{make, 1s, false});
        reporter->report(StepHit{docs});
        reporter->report(BuildFinished{1, 1, 1s, {}});
        CHECK(written.text() == "[build 3/4] done in 1.0 s\n[docs 1/1] RUN sphinx: hit\n1 hit, 1 run, 1.00 s\n");
    }
    TEST_CASE("plain: the colours of the output reach a terminal, nothing else does") {
        Written written;
        const auto reporter = make_plain_reporter(written.console(true));
        reporter->report(StepOutput{docs, "\x1b[32mgreen\x1b[2J\n"});
        CHECK(written.text() == "[docs 1/1] | \x1b[32mgreen\x1b[0m\n");
    }
    TEST_CASE("plain: a failure is told once more at the end, with how to try it again") {
        Written written;
        tell_failure(*make_plain_reporter(written.console()));
        CHECK(written.text() == std::string("[build 2/4] COPY . /src: hit\n"
                                            "[build 3/4] RUN make all: running\n"
                                            "[build 3/4] | a.c:1: error\n"
                                            "[build 3/4] failed: exit code: 2\n") +
                                    k_failure_story);
    }
    TEST_CASE("plain: of several images each line names its own, and each failure tells of its own step") {
        Written written;
        const auto reporter = make_plain_reporter(written.console());
        auto one = make, two = docs;
        one.image = "one";
        two.image = "two";
        reporter->report(StepStarted{one, ""});
        reporter->report(StepFailed{one, 2, "", ""});
        reporter->report(StepOutput{two, "of two\n"});
        reporter->report(StepFailed{two, 3, "", ""});
        reporter->report(
            ImageFailed{"one", {ErrorKind::step_failed, "RUN failed", {}, SourceSpan{"Dockerfile", 4, 4, 0}}});
        reporter->report(ImageFailed{"two", {ErrorKind::step_failed, "RUN failed", {}, {}}});
        reporter->report(
            ImagesFinished{{{"one", "failed", 1, 0, 1s, 0, {}, {}},
                            {"longer-two", "built", 2, 13, 12340ms, 12'345'678, "sha256:1", {"demo:1", "demo:2"}}},
                           13s});
        CHECK(written.text() == "[one build 3/4] RUN make all: running\n"
                                "[one build 3/4] failed: exit code: 2\n"
                                "[two docs 1/1] | of two\n"
                                "[two docs 1/1] failed: exit code: 3\n"
                                "one: Dockerfile:4: error: RUN failed\n"
                                "------\n > [two docs 1/1] RUN sphinx:\nof two\n------\n"
                                "two: error: RUN failed\n"
                                "image       outcome        hit    run       time        size\n"
                                "one         failed           1      0     1.00 s\n"
                                "longer-two  built            2     13    12.34 s     12.3 MB  demo:1 demo:2\n"
                                "1 built, 1 failed: 3 hit, 13 run, 13.00 s\n");
    }
    TEST_CASE("plain: of a long output the failure repeats the last lines") {
        Written written;
        const auto reporter = make_plain_reporter(written.console());
        for (int i = 1; i <= 1000; ++i) {
            const auto line = "line " + std::to_string(i) + "\n";
            reporter->report(StepOutput{make, line});
        }
        reporter->report(StepFailed{make, 0, "killed", ""});
        written.bytes.clear();
        reporter->report(BuildFailed{{ErrorKind::step_failed, "RUN failed: killed", {}, {}}});
        CHECK(written.text().starts_with("------\n > [build 3/4] RUN make all:\nline 981\nline 982\n"));
        CHECK(written.text().ends_with("\nline 1000\n------\nerror: RUN failed: killed\n"));
    }
    TEST_CASE("quiet tells warnings and failures, none only failures") {
        Written quiet, none;
        tell_build(*make_quiet_reporter(quiet.console()));
        CHECK(quiet.text() == "warning: slow\n");
        tell_build(*make_failure_reporter(none.console()));
        CHECK(none.text().empty());
        Written quiet_failure, none_failure;
        tell_failure(*make_quiet_reporter(quiet_failure.console()));
        CHECK(quiet_failure.text() == k_failure_story);
        tell_failure(*make_failure_reporter(none_failure.console()));
        CHECK(none_failure.text() == k_failure_story);
    }
    TEST_CASE("rawjson: golden document of a step that starts (docs/progress.md; a change needs a new version)") {
        Written written;
        make_rawjson_reporter(written.console())->report(StepStarted{make, "a.c changed"});
        CHECK(written.text() ==
              R"({"dbuild":{"version":1,"event":"step_started","stage":"build","position":3,"count":4,"line":4,)"
              R"("text":"RUN make all","reason":"a.c changed"},"vertexes":[{"digest":)"
              R"("sha256:6338b3f953fd8874272705c86bd37a084b96fbb91a78124174fbe7947207c5ca",)"
              R"("name":"[build 3/4] RUN make all","started":"2023-11-14T22:13:20.000000000Z"}]})"
              "\n");
    }
    TEST_CASE("rawjson: a document per event, each with version and name") {
        Written written;
        tell_build(*make_rawjson_reporter(written.console()));
        std::vector<std::string> events;
        for (const auto& document : documents(written.text())) {
            const auto& own = document.at("dbuild").as_object();
            CHECK(own.at("version").as_int64() == 1);
            events.emplace_back(own.at("event").as_string());
        }
        CHECK(events == std::vector<std::string>{"note", "step_hit", "step_started", "step_output", "step_started",
                                                 "step_output", "step_output", "step_finished", "step_finished",
                                                 "warning", "build_finished"});
    }
    TEST_CASE("rawjson: readers of BuildKit's solve status find vertices, logs and errors") {
        Written written;
        tell_failure(*make_rawjson_reporter(written.console()));
        const auto all = documents(written.text());
        REQUIRE(all.size() == 5);
        const auto vertex = [&](std::size_t i) { return all[i].at("vertexes").as_array().at(0).as_object(); };
        CHECK(vertex(0).at("cached").as_bool());
        CHECK(vertex(0).contains("completed"));
        CHECK_FALSE(vertex(1).contains("completed"));
        const auto& log = all[2].at("logs").as_array().at(0).as_object();
        CHECK(log.at("vertex") == vertex(1).at("digest"));
        CHECK(log.at("data").as_string() == "YS5jOjE6IGVycm9yCg==");
        CHECK(vertex(3).at("digest") == vertex(1).at("digest"));
        CHECK(vertex(3).at("error").as_string() == "exit code: 2");
        CHECK(vertex(3).contains("completed"));
        CHECK(all[4].at("dbuild").at("line").as_int64() == 4);
    }
    TEST_CASE("rawjson: any bytes give valid JSON, one line each") {
        Written written;
        const auto reporter = make_rawjson_reporter(written.console());
        reporter->report(StepStarted{{"s", 1, 1, "RUN \xff\x1b[2J\n", 1}, "\xc0"});
        reporter->report(StepOutput{docs, std::string_view("\0\xff\n", 3)});
        const auto all = documents(written.text());
        CHECK(all.size() == 2);
        CHECK(all[0].at("dbuild").at("text").as_string() == "RUN \uFFFD\x1b[2J\n");
        CHECK(all[1].at("logs").at(0).at("data").as_string() == "AP8K");
        CHECK(written.text().find('\x1b') == std::string::npos);
    }
    TEST_CASE("tty: events of many threads come out whole, and the last word is the closing line") {
        Written written;
        {
            const auto reporter = make_tty_reporter(written.console(true));
            std::vector<std::jthread> threads;
            for (int i = 0; i < 4; ++i)
                threads.emplace_back([&, i] {
                    const StepLabel step{"s" + std::to_string(i), 1, 1, "RUN x", i};
                    reporter->report(StepStarted{step, ""});
                    for (int k = 0; k < 500; ++k) reporter->report(StepOutput{step, "line\n"});
                    reporter->report(StepFinished{step, 1s, false});
                });
            threads.clear();
            reporter->report(BuildFinished{0, 4, 1s, {}});
        }
        const auto text = written.text();
        for (int i = 0; i < 4; ++i) CHECK(text.find("\x1b[36m => [s" + std::to_string(i) + " 1/1] RUN x") != text.npos);
        CHECK(text.ends_with("0 hit, 4 run, 1.00 s\x1b[K\n\x1b[J"));
    }
    TEST_CASE("plain: events of many threads come out as whole lines") {
        Written written;
        const auto reporter = make_plain_reporter(written.console());
        std::vector<std::jthread> threads;
        for (int i = 0; i < 4; ++i)
            threads.emplace_back([&, i] {
                const StepLabel step{"s" + std::to_string(i), 1, 1, "RUN x", i};
                for (int k = 0; k < 500; ++k)
                    reporter->report(StepOutput{step, "li"}), reporter->report(StepOutput{step, "ne\n"});
            });
        threads.clear();
        const auto text = written.text();
        std::size_t count = 0;
        for (std::size_t at = 0; (at = text.find(" 1/1] | line\n", at)) != text.npos; ++at) ++count;
        CHECK(count == 2000);
        CHECK(text.size() == 2000 * std::string("[s0 1/1] | line\n").size());
    }
    TEST_CASE("auto is tty on a terminal and plain elsewhere, and tty without a terminal is plain") {
        const auto first_bytes = [](Form form, bool is_terminal) {
            Written written;
            make_reporter(form, written.console(is_terminal))->report(StepStarted{docs, ""});
            return written.text().substr(0, 3);
        };
        ::setenv("TERM", "xterm", 1);
        CHECK(first_bytes(Form::automatic, true) == "[+]");
        CHECK(first_bytes(Form::automatic, false) == "[do");
        CHECK(first_bytes(Form::tty, true) == "[+]");
        CHECK(first_bytes(Form::tty, false) == "[do");
        CHECK(first_bytes(Form::plain, true) == "[do");
        CHECK(first_bytes(Form::rawjson, true) == "{\"d");
        ::setenv("TERM", "dumb", 1);
        CHECK(first_bytes(Form::automatic, true) == "[do");
    }
    TEST_CASE("forms have docker's names, and another one is wrong usage") {
        CHECK(parse_form("auto") == Form::automatic);
        CHECK(parse_form("plain") == Form::plain);
        CHECK(parse_form("tty") == Form::tty);
        CHECK(parse_form("rawjson") == Form::rawjson);
        CHECK(parse_form("quiet") == Form::quiet);
        CHECK(parse_form("none") == Form::none);
        CHECK(parse_form("") == Form::automatic);
        for (const char* wrong : {"fancy", "Plain"}) {
            REQUIRE_FALSE(parse_form(wrong));
            CHECK(parse_form(wrong).error().kind == ErrorKind::usage);
        }
    }
}
