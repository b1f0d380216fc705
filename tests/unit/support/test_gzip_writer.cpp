// SPDX-License-Identifier: Apache-2.0
// gzip: the same bytes however a stream is cut and whatever the number of threads; gzip's own program reads them.
#include "support/gzip_writer.hpp"

#include "tests/unit/support/samples.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

using namespace dbuild;

namespace {

/// Noise, and behind it what compresses well: three members and a part of one.
std::string sample() { return noise(900'000, 1) + std::string(900'000, 'x'); }

std::string compress(std::string_view text, std::size_t piece, int level, std::size_t threads) {
    std::string out;
    GzipWriter writer(
        [&](std::string_view bytes) -> Status {
            out += bytes;
            return {};
        },
        level, threads);
    for (std::size_t i = 0; i < text.size(); i += piece) CHECK(writer.write(text.substr(i, piece)));
    CHECK(writer.finish());
    return out;
}

std::string unpack(std::string packed) { return by_gzip("-dc", std::move(packed)); }

} // namespace

TEST_SUITE_BEGIN("support/gzip_writer");

TEST_CASE("the bytes depend neither on how the stream is cut nor on the number of threads") {
    const auto text = sample();
    const auto whole = compress(text, text.size(), 6, 1);
    CHECK(whole == compress(text, 777, 6, 1));
    CHECK(whole == compress(text, 100'000, 6, 3));
    CHECK(whole == compress(text, text.size(), 6, 16));
    CHECK(whole != compress(text, text.size(), 1, 1));
    CHECK(whole.size() < 910'000);
    // Magic number, deflate, and neither a name nor a time: RFC 1952.
    CHECK(whole.substr(0, 8) == std::string("\x1f\x8b\x08\0\0\0\0\0", 8));
}

TEST_CASE("gzip unpacks what was written, at every level, also nothing at all") {
    const auto text = sample();
    for (const int level : {0, 1, 6, 9}) {
        CAPTURE(level);
        CHECK(unpack(compress(text, 65536, level, 2)) == text);
    }
    const auto empty = compress("", 1, 6, 2);
    CHECK(empty.size() >= 18); // a head and a tail
    CHECK(unpack(empty).empty());
    const auto exact = std::string_view(text).substr(0, std::size_t{1} << 20); // nothing is left for finish()
    CHECK(unpack(compress(exact, 4096, 6, 2)) == exact);
}

TEST_CASE("what the sink fails with ends the stream") {
    GzipWriter writer([](std::string_view) -> Status { return fail(ErrorKind::unavailable, "disk full"); });
    Status status = writer.write("text");
    if (status) status = writer.finish();
    REQUIRE_FALSE(status);
    CHECK(status.error().message == "disk full");
}

TEST_SUITE_END();
