// SPDX-License-Identifier: Apache-2.0
// The splitter: whatever comes in, the parts are the input again; and files are pieces of their own.
#include "cache/store/tar_splitter.hpp"

#include "tests/unit/cache/store_fixture.hpp"

#include <array>

using namespace dbuild;
using namespace dbuild::cache;
using namespace dbuild::cache::test;
using store::TarSplitter;

namespace {

struct Parts final : store::TarPartSink {
    std::string joined;
    std::vector<std::string> pieces;
    std::size_t literal_bytes = 0, zero_bytes = 0;

    Status literal(std::string_view bytes) override {
        CHECK(bytes.size() <= 1u << 20);
        joined += bytes;
        literal_bytes += bytes.size();
        return {};
    }
    Status zeros(std::uint64_t count) override {
        joined.append(static_cast<std::size_t>(count), '\0');
        zero_bytes += static_cast<std::size_t>(count);
        return {};
    }
    Status piece(std::string_view bytes) override {
        CHECK(!bytes.empty());
        CHECK(bytes.size() <= store::k_max_piece_bytes);
        joined += bytes;
        pieces.emplace_back(bytes);
        return {};
    }
};

Parts split(std::string_view bytes, std::size_t slice) {
    Parts parts;
    TarSplitter splitter(parts);
    for (std::size_t at = 0; at < bytes.size(); at += slice) REQUIRE(splitter.write(bytes.substr(at, slice)));
    REQUIRE(splitter.finish());
    return parts;
}

/// A header whose field is changed, with its checksum made right again.
std::string changed_header(std::string header, std::size_t offset, std::string_view value) {
    header.replace(offset, value.size(), value);
    header.replace(148, 8, "        ");
    unsigned sum = 0;
    for (const char c : header) sum += static_cast<unsigned char>(c);
    std::array<char, 8> text{};
    std::snprintf(text.data(), text.size(), "%06o", sum);
    header.replace(148, 6, text.data());
    header[154] = '\0';
    return header;
}

} // namespace

TEST_SUITE_BEGIN("cache/tar_splitter");

TEST_CASE("a file up to 256 KiB is one piece, headers are literals, padding is zeros") {
    const auto parts = split(tar_of("a", "hello"), 1 << 20);
    REQUIRE(parts.pieces.size() == 1);
    CHECK(parts.pieces[0] == "hello");
    CHECK(parts.literal_bytes == 512);
    CHECK(parts.zero_bytes == 507 + 1024);
}

TEST_CASE("long files are cut by content, and a changed byte changes few pieces") {
    const auto content = made_up_bytes(1, 5'000'000);
    auto changed = content;
    changed.insert(2'000'000, "x");
    const auto first = split(tar_of("a", content), 1 << 20).pieces,
               second = split(tar_of("a", changed), 1 << 20).pieces;
    CHECK(first.size() > 20);
    std::size_t fresh = 0;
    for (const auto& piece : second) fresh += std::find(first.begin(), first.end(), piece) == first.end();
    CHECK(fresh <= 3);
}

TEST_CASE("the parts do not depend on how the input is sliced") {
    const auto tar = big_tar(1, 23);
    const auto whole = split(tar, tar.size());
    CHECK(whole.joined == tar);
    for (const std::size_t slice : {997, 4096, 65536, 1'000'003}) {
        const auto sliced = split(tar, slice);
        CHECK(sliced.joined == tar);
        CHECK(sliced.pieces == whole.pieces);
    }
    CHECK(split(tar.substr(0, 4000), 1).joined == tar.substr(0, 4000));
}

TEST_CASE("cut off anywhere, the parts are still the input") {
    const auto tar = tar_of("a", made_up_bytes(2, 1500)) + tar_of("b", "x");
    for (std::size_t size = 0; size <= tar.size(); size += 37)
        CHECK(split(tar.substr(0, size), 100).joined == tar.substr(0, size));
}

TEST_CASE("with any byte flipped, the parts are still the input") {
    const auto tar = big_tar(3, 6);
    std::mt19937 random(7);
    for (int i = 0; i < 300; ++i) {
        auto damaged = tar;
        const auto at = i < 200 ? random() % 2048 : random() % tar.size();
        damaged[at] = static_cast<char>(random());
        CHECK(split(damaged, 10'000).joined == damaged);
    }
}

TEST_CASE("a size in binary counts, one that is no number makes the rest opaque") {
    const auto content = made_up_bytes(4, 700);
    const auto header = oci::tar_header("a", content.size());
    const auto rest = content + oci::tar_padding(content.size());
    const auto binary = changed_header(header, 124, std::string_view("\x80\0\0\0\0\0\0\0\0\0\x02\xbc", 12)) + rest;
    CHECK(split(binary, 4096).joined == binary);
    CHECK(split(binary, 4096).pieces == std::vector{content});
    for (const std::string_view field : {"zzzzzzzzzzzz", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
                                         "\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"}) {
        const auto odd = changed_header(header, 124, field) + rest;
        const auto parts = split(odd, 4096);
        CHECK(parts.joined == odd);
        CHECK(parts.literal_bytes == 0);
    }
}

TEST_CASE("a link with a size has no content; PAX records and long names are literals") {
    auto link = changed_header(oci::tar_header("l", 700), 156, "1");
    const auto tar = link + tar_of("a", "hello");
    CHECK(split(tar, 4096).pieces == std::vector<std::string>{"hello"});
    auto pax =
        changed_header(oci::tar_header("PaxHeader", 20), 156, "x") + "20 path=some/file/x\n" + oci::tar_padding(20);
    const auto with_pax = pax + tar_of("a", "hello");
    CHECK(split(with_pax, 4096).joined == with_pax);
    CHECK(split(with_pax, 4096).pieces == std::vector<std::string>{"hello"});
}

TEST_CASE("bytes after the end are kept, zeros and others") {
    const auto tar = tar_of("a", "x") + std::string(9000, '\0') + "garbage" + std::string(600, '\0');
    CHECK(split(tar, 700).joined == tar);
}

TEST_SUITE_END();
