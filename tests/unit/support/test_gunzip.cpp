// SPDX-License-Identifier: Apache-2.0
// What gzip's own program made, and what GzipWriter makes, read by ISA-L in pieces of any size.
#include "support/gunzip.hpp"

#include "support/gzip_writer.hpp"
#include "tests/unit/support/samples.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

using namespace dbuild;

namespace {

/// Longer than any buffer on the way.
std::string sample() { return noise(700'000, 7) + std::string(700'000, 'x'); }

std::string by_gzip(std::string text) { return dbuild::by_gzip("-c", std::move(text)); }

/// In: piece — bytes that the source gives at a time; capacity — of each read.
Result<std::string> unpack(std::string_view packed, std::size_t piece, std::size_t capacity) {
    const auto gunzip = Gunzip::create([&](char* buffer, std::size_t most) -> Result<std::size_t> {
        const auto count = packed.copy(buffer, std::min(piece, most));
        packed.remove_prefix(count);
        return count;
    });
    REQUIRE(gunzip);
    std::string text, buffer(capacity, '\0');
    for (;;) {
        DBUILD_TRY_ASSIGN(const auto count, gunzip->read(buffer.data(), buffer.size()));
        if (count == 0) break;
        text.append(buffer, 0, count);
    }
    CHECK(gunzip->read(buffer.data(), buffer.size()) == 0); // the end stays the end
    return text;
}

} // namespace

TEST_SUITE_BEGIN("support/gunzip");

TEST_CASE("what gzip packed comes back, whatever the pieces") {
    const auto text = sample();
    const auto packed = by_gzip(text);
    for (const std::size_t piece : {std::size_t{1}, std::size_t{1000}, packed.size()})
        for (const std::size_t capacity : {std::size_t{333}, std::size_t{1} << 18})
            CHECK(unpack(packed, piece, capacity) == text);
    CHECK(unpack(by_gzip(""), 5, 100) == "");
}

TEST_CASE("a row of members is one file, and what stands behind it is ignored") {
    const auto row = by_gzip("one, ") + by_gzip("") + by_gzip("two");
    for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, row.size()}) {
        CHECK(unpack(row, piece, 100) == "one, two");
        CHECK(unpack(row + std::string(600, '\0'), piece, 100) == "one, two");
    }
    const auto text = sample();
    std::string packed;
    GzipWriter writer([&](std::string_view bytes) -> Status { return packed += bytes, Status{}; });
    REQUIRE(writer.write(text));
    REQUIRE(writer.finish());
    CHECK(unpack(packed, 4096, 5000) == text);
}

TEST_CASE("what is cut off or damaged is corrupt, wherever") {
    const auto packed = by_gzip("a text that is not quite short, not quite short, and has a checksum behind it");
    for (std::size_t size = 0; size < packed.size(); ++size) {
        const auto cut = unpack(packed.substr(0, size), 64, 64);
        REQUIRE_FALSE(cut);
        CHECK(cut.error().kind == ErrorKind::corrupt);
    }
    for (std::size_t at = 10; at < packed.size(); ++at) { // behind the header, of which much means nothing
        auto damaged = packed;
        damaged[at] = static_cast<char>(damaged[at] ^ 4);
        const auto read = unpack(damaged, 64, 64);
        REQUIRE_FALSE(read);
        CHECK(read.error().kind == ErrorKind::corrupt);
    }
}

TEST_CASE("an error of the source is handed on") {
    const auto gunzip =
        Gunzip::create([](char*, std::size_t) -> Result<std::size_t> { return fail(ErrorKind::transient, "gone"); });
    REQUIRE(gunzip);
    char byte = 0;
    CHECK(gunzip->read(&byte, 1).error().kind == ErrorKind::transient);
}

TEST_SUITE_END();
