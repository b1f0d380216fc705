// SPDX-License-Identifier: Apache-2.0
// Work side by side: all of it once, or up to the first failure.
#include "support/parallel.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <vector>

using namespace dbuild;

TEST_SUITE_BEGIN("support/parallel");

TEST_CASE("each index is worked on once, whatever the number of threads") {
    for (const std::size_t threads : {0, 1, 3, 50}) {
        CAPTURE(threads);
        std::vector<std::atomic<int>> calls(20);
        CHECK(for_each_parallel(calls.size(), threads, [&](std::size_t i) -> Status {
            ++calls[i];
            return {};
        }));
        for (const auto& count : calls) CHECK(count == 1);
    }
}

TEST_CASE("after a failure nothing further is begun, and it is what is returned") {
    std::atomic<int> calls = 0;
    const auto done = for_each_parallel(1000, 1, [&](std::size_t i) -> Status {
        ++calls;
        if (i == 2) return fail(ErrorKind::corrupt, "third");
        return {};
    });
    REQUIRE_FALSE(done);
    CHECK(done.error().message == "third");
    CHECK(calls == 3);
}

TEST_SUITE_END();
