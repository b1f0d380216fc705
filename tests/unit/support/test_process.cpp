// SPDX-License-Identifier: Apache-2.0
// Running programs: exit statuses, output of any size on both pipes, and cancelling.
#include "support/process.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

using namespace dbuild;

namespace {

struct Run {
    Result<ProcessResult> result;
    std::string out, err;
};

Run run(std::vector<std::string> arguments, const CancelCheck& is_cancelled = nullptr) {
    ProcessOptions options;
    options.arguments = std::move(arguments);
    std::string out, err;
    auto result = run_process(
        options, [&](std::string_view text) { out += text; }, [&](std::string_view text) { err += text; },
        is_cancelled);
    return {std::move(result), std::move(out), std::move(err)};
}

} // namespace

TEST_SUITE_BEGIN("support/process");

TEST_CASE("both outputs arrive, each in its own sink, with the exit status") {
    const auto done = run({"sh", "-c", "echo out; echo err >&2; exit 7"});
    REQUIRE(done.result);
    CHECK(done.result->exit_status == 7);
    CHECK(done.out == "out\n");
    CHECK(done.err == "err\n");
}

TEST_CASE("a program gets this process's environment, but for the values that it is given") {
    REQUIRE(::setenv("DBUILD_TEST_KEPT", "kept", 1) == 0);
    REQUIRE(::setenv("DBUILD_TEST_GIVEN", "of this process", 1) == 0);
    ProcessOptions options;
    options.arguments = {"sh", "-c", "echo $DBUILD_TEST_KEPT, $DBUILD_TEST_GIVEN"};
    options.environment = {"DBUILD_TEST_GIVEN=given"};
    std::string out;
    REQUIRE(run_process(
        options, [&](std::string_view text) { out += text; }, [](std::string_view) {}));
    CHECK(out == "kept, given\n");
}

TEST_CASE("output larger than the pipes does not block, on either of them") {
    const auto done =
        run({"sh", "-c", "head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2; head -c 5 /dev/zero"});
    REQUIRE(done.result);
    CHECK(done.out.size() == 1000005);
    CHECK(done.err.size() == 1000000);
}

TEST_CASE("arguments reach the program as they are, without a shell") {
    const auto done = run({"printf", "%s|", "a b", "$HOME", "*", ""});
    REQUIRE(done.result);
    CHECK(done.out == "a b|$HOME|*||");
}

TEST_CASE("a program that a signal killed has status 128 plus the signal") {
    const auto done = run({"sh", "-c", "kill -KILL $$"});
    REQUIRE(done.result);
    CHECK(done.result->exit_status == 137);
}

TEST_CASE("a program that does not exist is unavailable, and named") {
    const auto done = run({"dbuild-no-such-program"});
    REQUIRE_FALSE(done.result);
    CHECK(done.result.error().kind == ErrorKind::unavailable);
    CHECK(done.result.error().message.find("dbuild-no-such-program") != std::string::npos);
}

TEST_CASE("standard input is empty, so that a program that reads it ends") {
    const auto done = run({"cat"});
    REQUIRE(done.result);
    CHECK(done.result->exit_status == 0);
    CHECK(done.out.empty());
}

TEST_CASE("cancelling ends the program and what it started, and reports interrupted") {
    std::atomic<bool> cancelled = false;
    const auto begin = std::chrono::steady_clock::now();
    std::thread later([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
        cancelled = true;
    });
    const auto done = run({"sh", "-c", "sleep 30 & wait"}, [&] { return cancelled.load(); });
    later.join();
    REQUIRE_FALSE(done.result);
    CHECK(done.result.error().kind == ErrorKind::interrupted);
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(2));
}

TEST_CASE("what left the process group and keeps the streams open is not waited for") {
    const auto begin = std::chrono::steady_clock::now();
    const auto done =
        run({"sh", "-c",
             "setsid sleep 30 & setsid sh -c 'trap \"\" PIPE; while sleep 0.01; do echo x; done 2>/dev/null' & wait"},
            [&] { return std::chrono::steady_clock::now() - begin > std::chrono::milliseconds(300); });
    REQUIRE_FALSE(done.result);
    CHECK(done.result.error().kind == ErrorKind::interrupted);
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(5));
}

TEST_CASE("a program that ignores SIGTERM is killed after the grace") {
    std::atomic<bool> cancelled = true;
    const auto begin = std::chrono::steady_clock::now();
    // The sleep that keeps the pipe open ignores SIGTERM too: an ignored signal is inherited.
    const auto done =
        run({"sh", "-c", "trap '' TERM; echo ready; sleep 30; sleep 30"}, [&] { return cancelled.load(); });
    REQUIRE_FALSE(done.result);
    CHECK(done.result.error().kind == ErrorKind::interrupted);
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(6));
}

TEST_CASE("an inherited run gives the exit status, and reads what it is given") {
    ProcessOptions options;
    options.arguments = {"sh", "-c", "exit 3"};
    const auto result = run_inherited(options, std::nullopt, nullptr);
    REQUIRE(result);
    CHECK(result->exit_status == 3);
    options.arguments = {"sh", "-c", "test \"$(wc -c)\" -eq 200000"};
    const auto reader = run_inherited(options, std::string(200000, 'x'), nullptr);
    REQUIRE(reader);
    CHECK(reader->exit_status == 0);
}

TEST_CASE("an inherited run is told of a cancel and waited for") {
    ProcessOptions options;
    options.arguments = {"sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.05; done"};
    const auto result = run_inherited(options, std::nullopt, [] { return true; });
    REQUIRE(result);
    CHECK((result->exit_status == 7 || result->exit_status == 143)); // 143: the signal came before the trap was set
}

TEST_SUITE_END();
