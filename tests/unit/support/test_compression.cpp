// SPDX-License-Identifier: Apache-2.0
// zstd: round trips of short and long data, and the refusal of whatever is damaged, cut off or too large.
#include "support/compression.hpp"

#include "tests/unit/support/samples.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace dbuild;

namespace {

Result<std::string> unpack_in_pieces(std::string_view packed, std::size_t piece) {
    std::string out;
    const auto source = [&](char* buffer, std::size_t capacity) -> Result<std::size_t> {
        const auto count = packed.copy(buffer, std::min(capacity, piece));
        packed.remove_prefix(count);
        return count;
    };
    const auto sink = [&](std::string_view bytes) -> Status {
        out += bytes;
        return {};
    };
    DBUILD_TRY(zstd_decompress_stream(source, sink));
    return out;
}

} // namespace

TEST_SUITE_BEGIN("support/compression");

TEST_CASE("what was compressed comes back, also nothing and bytes with zeros") {
    for (const auto& text : {std::string(), std::string("x"), std::string(3, '\0'), noise(300000, 1)}) {
        const auto packed = zstd_compress(text);
        REQUIRE(packed);
        const auto back = zstd_decompress(*packed, text.size());
        REQUIRE(back);
        CHECK(*back == text);
    }
}

TEST_CASE("more bytes than allowed are corrupt") {
    const auto packed = zstd_compress(std::string(1000, 'a'));
    REQUIRE(packed);
    const auto back = zstd_decompress(*packed, 999);
    REQUIRE_FALSE(back);
    CHECK(back.error().kind == ErrorKind::corrupt);
}

TEST_CASE("every frame that is cut off is corrupt, wherever the cut is") {
    const auto packed = zstd_compress(noise(2000, 1));
    REQUIRE(packed);
    for (std::size_t size = 0; size < packed->size(); ++size) {
        const auto back = zstd_decompress(packed->substr(0, size), 10000);
        REQUIRE_FALSE(back);
        CHECK(back.error().kind == ErrorKind::corrupt);
    }
}

TEST_CASE("a flipped bit in the data is found by the checksum") {
    auto packed = zstd_compress(noise(2000, 1));
    REQUIRE(packed);
    (*packed)[packed->size() / 2] = static_cast<char>((*packed)[packed->size() / 2] ^ 1);
    const auto back = zstd_decompress(*packed, 10000);
    REQUIRE_FALSE(back);
    CHECK(back.error().kind == ErrorKind::corrupt);
}

TEST_CASE("bytes that are no frame, alone or behind one, are corrupt") {
    CHECK_FALSE(zstd_decompress("this is no frame", 100));
    const auto packed = zstd_compress("text");
    REQUIRE(packed);
    CHECK_FALSE(zstd_decompress(*packed + "garbage", 100));
}

TEST_CASE("several frames behind each other are one text") {
    const auto first = zstd_compress("one ");
    const auto second = zstd_compress("two");
    REQUIRE(first);
    REQUIRE(second);
    const auto back = zstd_decompress(*first + *second, 100);
    REQUIRE(back);
    CHECK(*back == "one two");
}

TEST_CASE("a stream written in pieces comes back, however it is read") {
    std::string packed;
    ZstdWriter writer([&](std::string_view bytes) -> Status {
        packed += bytes;
        return {};
    });
    const auto text = noise(500000, 1) + std::string(500000, 'z');
    for (std::size_t at = 0; at < text.size(); at += 70001)
        REQUIRE(writer.write(std::string_view(text).substr(at, 70001)));
    REQUIRE(writer.finish());
    for (const std::size_t piece : {std::size_t{1000}, std::size_t{4096}, std::size_t{1} << 20}) {
        const auto back = unpack_in_pieces(packed, piece);
        REQUIRE(back);
        CHECK(*back == text);
    }
}

TEST_CASE("what the sink or the source fails with comes out unchanged") {
    ZstdWriter writer([](std::string_view) -> Status { return fail(ErrorKind::unavailable, "disk full"); });
    Status status = writer.write("text");
    if (status) status = writer.finish();
    REQUIRE_FALSE(status);
    CHECK(status.error().message == "disk full");
    const auto read = zstd_decompress_stream(
        [](char*, std::size_t) -> Result<std::size_t> { return fail(ErrorKind::transient, "gone"); },
        [](std::string_view) -> Status { return {}; });
    REQUIRE_FALSE(read);
    CHECK(read.error().kind == ErrorKind::transient);
}

TEST_SUITE_END();
