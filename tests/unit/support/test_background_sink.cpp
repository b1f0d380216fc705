// SPDX-License-Identifier: Apache-2.0
// A sink in another thread: everything in order, errors as they come, no deadlock when either side ends early.
#include "support/background_sink.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <thread>

using namespace dbuild;

namespace {

constexpr std::size_t k_piece = std::size_t{1} << 18;

std::string numbers(std::size_t bytes) {
    std::string text;
    for (int i = 0; text.size() < bytes; ++i) text += std::to_string(i) + ",";
    text.resize(bytes);
    return text;
}

} // namespace

TEST_SUITE_BEGIN("support/background_sink");

TEST_CASE("the sink gets the stream in order, however it is cut") {
    for (const std::size_t size : {std::size_t{0}, std::size_t{5}, k_piece, k_piece + 1, 40 * k_piece + 7})
        for (const std::size_t step : {std::size_t{77777}, 3 * k_piece}) {
            const auto text = numbers(size);
            std::string got;
            BackgroundSink sink([&](std::string_view bytes) -> Status { return got += bytes, Status{}; });
            for (std::size_t i = 0; i < text.size(); i += step) REQUIRE(sink.write(text.substr(i, step)));
            REQUIRE(sink.finish());
            CHECK(got == text);
        }
}

TEST_CASE("what fits into one piece comes in the caller's thread") {
    std::thread::id thread;
    BackgroundSink sink([&](std::string_view) -> Status { return thread = std::this_thread::get_id(), Status{}; });
    REQUIRE(sink.write(std::string(k_piece, 'x')));
    REQUIRE(sink.finish());
    CHECK(thread == std::this_thread::get_id());
}

TEST_CASE("after an error the sink gets nothing, and the writer is told") {
    for (const int failing : {1, 3, 30}) {
        int calls = 0;
        BackgroundSink sink([&](std::string_view) -> Status {
            return ++calls == failing ? fail(ErrorKind::no_space, "full") : Status();
        });
        const auto text = numbers(k_piece);
        Status written;
        for (int i = 0; i < 30 && written; ++i) written = sink.write(text);
        const Status finished = sink.finish();
        CHECK_FALSE((written && finished));
        CHECK(finished.error().kind == ErrorKind::no_space);
        CHECK(calls == failing);
    }
}

TEST_CASE("a slow sink makes the writer wait; one that is given up ends") {
    int calls = 0;
    {
        BackgroundSink sink([&](std::string_view) -> Status {
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
            return ++calls, Status();
        });
        for (int i = 0; i < 40; ++i) REQUIRE(sink.write(numbers(k_piece)));
        auto moved = std::move(sink);
    }
    CHECK(calls >= 30); // of which eight could wait, and one was in work
    CHECK(calls <= 40);
}

TEST_SUITE_END();
