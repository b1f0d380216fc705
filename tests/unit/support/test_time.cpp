// SPDX-License-Identifier: Apache-2.0
// RFC 3339 instants: both ways, and the refusal of all other texts.
#include "support/time.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace dbuild;

TEST_SUITE_BEGIN("support/time");

TEST_CASE("an instant has nine digits of a second") {
    CHECK(format_rfc3339(Instant{}) == "1970-01-01T00:00:00.000000000Z");
    CHECK(format_rfc3339(Instant{std::chrono::nanoseconds{-1}}) == "1969-12-31T23:59:59.999999999Z");
}

TEST_CASE("zero to nine digits of a second are read") {
    for (const auto* text : {"2026-11-21T05:43:13.104658082Z", "2024-02-29T23:59:59.000000000Z"})
        CHECK(format_rfc3339(parse_rfc3339(text).value()) == text);
    CHECK(format_rfc3339(parse_rfc3339("2026-11-21T05:43:13Z").value()) == "2026-11-21T05:43:13.000000000Z");
    CHECK(format_rfc3339(parse_rfc3339("2026-11-21T05:43:13.05Z").value()) == "2026-11-21T05:43:13.050000000Z");
}

TEST_CASE("any other text is nothing") {
    for (const std::string text :
         {"", "now", "2026-11-21", "2026-11-21T05:43:13", "2026-11-21T05:43:13+01:00", "2026-11-21 05:43:13Z",
          "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-11-21T24:00:00Z", "2026-11-21T05:60:00Z",
          "2026-11-21T05:43:13.Z", "2026-11-21T05:43:13.1234567890Z", "2026-11-21T05:43:13Zx",
          "2026-11-21T05:43:-3Z"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_rfc3339(text));
    }
}

TEST_SUITE_END();
