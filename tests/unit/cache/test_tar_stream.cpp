// SPDX-License-Identifier: Apache-2.0
// Members of an archive: their sizes, also those that stand in a PAX record or in binary, and what is no header.
#include "cache/oci/tar_stream.hpp"

#include "cache/oci/archive.hpp"
#include "cache/oci/layer_tar.hpp"
#include "support/files.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace dbuild;
using namespace dbuild::cache::oci;

namespace {

std::string member(const std::string& header, const std::string& bytes) {
    return header + bytes + tar_padding(bytes.size());
}

/// In: header — of tar_header(). Out: with another type, and the sum that belongs to it.
std::string with_type(std::string header, char type) {
    const auto sum = std::stoul(header.substr(148, 6), nullptr, 8) - '0' + static_cast<unsigned char>(type);
    header[156] = type;
    for (std::size_t i = 0; i < 6; ++i) header[148 + i] = static_cast<char>('0' + (sum >> 3 * (5 - i) & 7));
    return header;
}

/// As Go writes a file of 8 GiB and more: its size in a record, and 0 in the header.
std::string member_of_go(const std::string& name, const std::string& bytes, const std::string& records) {
    return member(with_type(tar_header("PaxHeaders.0/" + name, records.size()), 'x'), records) +
           member(tar_header(name, 0), bytes);
}

const std::string end(k_tar_end_bytes, '\0');

/// "NAME SIZE FIRST-BYTES\n" of each file.
std::string list(std::string_view tar) {
    const ByteSource source = [&](char* buffer, std::size_t capacity) -> Result<std::size_t> {
        const auto count = tar.copy(buffer, std::min<std::size_t>(capacity, 1000));
        tar.remove_prefix(count);
        return count;
    };
    TarStream stream(source);
    std::string told;
    for (;;) {
        const auto found = stream.next();
        if (!found) return told + found.error().message;
        if (!*found) return told;
        char bytes[3];
        const auto count = stream.read(bytes, sizeof bytes);
        told +=
            (*found)->name + ' ' + std::to_string((*found)->size) + ' ' + std::string(bytes, count.value_or(0)) + '\n';
    }
}

} // namespace

TEST_SUITE_BEGIN("cache/tar_stream");

TEST_CASE("files come in their order, read or not; folders and links do not") {
    const auto tar = member(tar_header("one", 3), "111") + with_type(tar_header("folder", 0), '5') +
                     member(tar_header("two", 2000), std::string(2000, '2')) + tar_header("none", 0) + end;
    CHECK(list(tar) == "one 3 111\ntwo 2000 222\nnone 0 \n");
}

TEST_CASE("a size in a PAX record is that of the next file, whatever its header says, and of no other") {
    const std::string large(70'000, 'l');
    const auto tar = member_of_go("large", large, "23 path=some/long/name\n14 size=70000\n") +
                     member(tar_header("small", 1), "s") + end;
    CHECK(list(tar) == "large 70000 lll\nsmall 1 s\n");

    const auto folder = TempDir::create("dbuild-test-").value();
    REQUIRE(write_file(folder.path() / "tar", tar));
    const auto archive = Archive::open(folder.path() / "tar");
    REQUIRE(archive);
    CHECK(archive->read_file("large").value() == large);
    CHECK(archive->read_file("small").value() == "s");
}

/// As Go writes a link whose target is not ASCII: the record has it, the header what is ASCII of it.
std::string link_of_go(const std::string& name, const std::string& target, const std::string& ascii = "") {
    const auto body = " linkpath=" + target + "\n";
    auto records = std::to_string(body.size() + 2) + body;
    if (records.size() != body.size() + 2) records = std::to_string(body.size() + 3) + body;
    auto header = tar_header(name, 0);
    header.replace(157, ascii.size(), ascii);
    unsigned sum = 0;
    for (std::size_t i = 0; i < header.size(); ++i)
        sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(i == 156 ? '2' : header[i]);
    header[156] = '2';
    for (std::size_t i = 0; i < 6; ++i) header[148 + i] = static_cast<char>('0' + (sum >> 3 * (5 - i) & 7));
    return member(with_type(tar_header("PaxHeaders.0/" + name, records.size()), 'x'), records) + header;
}

TEST_CASE("links whose target has nothing that is ASCII keep it, wherever a reader's buffer ends") {
    const std::string utf8 = "\xc3\xa9", latin = "\xe9\xe8", mixed = "a\xc3\xa9\xe9", large(300, '\xe4');
    const auto links =
        link_of_go("u", utf8) + link_of_go("l", latin) + link_of_go("m", mixed, "a") + link_of_go("long", large);
    for (const std::size_t before : {0, 250'000, 258'000, 259'000, 259'500, 260'000, 260'500, 261'000, 261'500}) {
        CAPTURE(before);
        const auto tar = member(tar_header("before", before), std::string(before, 'b')) + links + end;
        for (const std::size_t piece : {std::size_t{100'000'000}, std::size_t{777}}) {
            auto rest = std::string_view(tar);
            const auto scan = scan_layer([&](char* buffer, std::size_t capacity) -> Result<std::size_t> {
                const auto count = rest.copy(buffer, std::min(capacity, piece));
                rest.remove_prefix(count);
                return count;
            });
            REQUIRE(scan);
            CHECK(scan->diff_id == sha256(tar));
            REQUIRE(scan->contents.entries.size() == 5);
            std::size_t i = 1;
            for (const auto& target : {utf8, latin, mixed, large})
                CHECK(scan->contents.entries[i++].link_target == target);
        }
    }
}

TEST_CASE("a link to nothing is no layer's") {
    const auto tar = with_type(tar_header("link", 0), '2') + end;
    const auto scan = scan_layer(text_source(tar));
    REQUIRE_FALSE(scan);
    CHECK(scan.error().kind == ErrorKind::corrupt);
    CHECK(scan.error().message == "layer: a link to nothing: link");
}

TEST_CASE("records that are none change nothing, and a size beyond all is none") {
    for (const auto* records : {"", "x", "99 size=5\n", "0 size=5\n", "10 size=x\n", "30 size=99999999999999999999\n",
                                "28 size=18446744073709551615\n"})
        CHECK_MESSAGE(list(member_of_go("file", "", records) + end) == "file 0 \n", records);
}

TEST_CASE("a header with a wrong sum, and an archive without an end, are damaged") {
    auto wrong = tar_header("one", 3);
    wrong[0] = 'O';
    CHECK(list(wrong + end) == "the image archive is damaged");
    CHECK(list(tar_header("one", 3)) == "one 3 \nthe image archive is cut off");
    CHECK(list("") == "the image archive is cut off");
    auto huge = tar_header("huge", std::uint64_t{1} << 62);
    CHECK(list(huge) == "the image archive is damaged");

    const auto folder = TempDir::create("dbuild-test-").value();
    for (const auto& tar : {wrong + end, tar_header("one", 3), member(tar_header("one", 3), "111"), std::string()}) {
        REQUIRE(write_file(folder.path() / "tar", tar));
        const auto archive = Archive::open(folder.path() / "tar");
        REQUIRE_FALSE(archive);
        CHECK(archive.error().kind == ErrorKind::corrupt);
    }
}

TEST_CASE("a sum of signed bytes will do, as old programs wrote it") {
    auto header = tar_header("\xc3\xbc", 0);
    CHECK(has_tar_checksum(header));
    const auto sum = std::stoul(header.substr(148, 6), nullptr, 8) - 512;
    for (std::size_t i = 0; i < 6; ++i) header[148 + i] = static_cast<char>('0' + (sum >> 3 * (5 - i) & 7));
    CHECK(has_tar_checksum(header));
    header[0] = 'x';
    CHECK_FALSE(has_tar_checksum(header));
}

TEST_SUITE_END();
