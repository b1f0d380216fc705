// SPDX-License-Identifier: Apache-2.0
#include "cache/remote/remote_url.hpp"

#include <doctest/doctest.h>

using namespace dbuild;
using namespace dbuild::cache::remote;

TEST_SUITE("cache/remote/remote_url") {
    TEST_CASE("a folder alone is written, with a limit") {
        const auto url = parse_remote_url("dir:/srv/cache").value();
        CHECK(url.path == "/srv/cache");
        CHECK(url.access == Access::read_and_write);
        CHECK(url.max_bytes == 10'000'000'000);
        CHECK(url.text == "dir:/srv/cache");
    }
    TEST_CASE("options stand behind a question mark") {
        const auto url = parse_remote_url("dir:some/folder?max-size=500MB&mode=read&max-requests=12").value();
        CHECK(url.path == "some/folder");
        CHECK(url.access == Access::read_only);
        CHECK(url.max_bytes == 500'000'000);
        CHECK(url.max_requests == 12u);
    }
    TEST_CASE("anything else is wrong usage") {
        for (const auto* text :
             {"", "dir:", "dir:?mode=read", "/srv/cache", "s3://bucket", "dir:/a?mode=write", "dir:/a?max-size=x",
              "dir:/a?color=red", "dir:/a?max-requests=", "dir:/a?max-requests=1k"}) {
            const auto url = parse_remote_url(text);
            REQUIRE_MESSAGE(!url, text);
            CHECK(url.error().kind == ErrorKind::usage);
        }
    }
}
