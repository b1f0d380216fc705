// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/commands/cache_verbs.hpp"

#include <doctest/doctest.h>

using namespace dbuild::orchestrator::commands;

TEST_SUITE_BEGIN("orchestrator/cache_verbs");

TEST_CASE("sizes are told in powers of 1000") {
    CHECK(size_text(0) == "0 B");
    CHECK(size_text(999) == "999 B");
    CHECK(size_text(1500) == "1.5 kB");
    CHECK(size_text(20'000'000'000) == "20.0 GB");
    CHECK(size_text(5'000'000'000'000'000) == "5000.0 TB");
}

TEST_CASE("a bar has the same length at each percent") {
    CHECK(bar_text("verifying", 0) == "verifying [                    ] 0%");
    CHECK(bar_text("verifying", 44) == "verifying [########            ] 44%");
    CHECK(bar_text("verifying", 100) == "verifying [####################] 100%");
}

TEST_SUITE_END();
