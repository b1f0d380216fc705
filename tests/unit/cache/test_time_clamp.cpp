// SPDX-License-Identifier: Apache-2.0
#include "cache/oci/tar_header.hpp"
#include "cache/oci/time_clamp.hpp"
#include "executors/in_process/layer_writer.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace dbuild;
using cache::oci::EntryType;
using cache::oci::LayerEntry;

namespace {

constexpr std::int64_t k_latest = 1'000'000'000;

LayerEntry file(std::string path, std::int64_t mtime, std::uint64_t size = 0) {
    LayerEntry entry;
    entry.path = std::move(path);
    entry.mode = 0644;
    entry.mtime_seconds = mtime;
    entry.size = size;
    return entry;
}

/// As dbuild and Go write it; a file's bytes are "x" as often as it says.
std::string tar_of(const std::vector<LayerEntry>& entries) {
    std::string tar;
    for (const auto& entry : entries) {
        tar += executors::in_process::layer_header(entry);
        if (entry.type == EntryType::file) tar += std::string(entry.size, 'x') + cache::oci::tar_padding(entry.size);
    }
    return tar + std::string(cache::oci::k_tar_end_bytes, '\0');
}

Result<std::string> clamped(const std::string& tar, std::size_t piece = SIZE_MAX) {
    std::string out;
    cache::oci::TimeClamp clamp(k_latest, [&](std::string_view bytes) -> Status {
        out += bytes;
        return {};
    });
    for (std::size_t at = 0; at < tar.size(); at += std::min(piece, tar.size() - at))
        DBUILD_TRY(clamp.write(std::string_view(tar).substr(at, piece)));
    DBUILD_TRY(clamp.finish());
    return out;
}

/// Entries of all kinds, with all their times later than the latest, or all that time.
std::vector<LayerEntry> all_kinds(std::int64_t mtime) {
    auto folder = file("d", mtime);
    folder.type = EntryType::directory;
    auto link = file("d/link", mtime);
    link.type = EntryType::symlink;
    link.link_target = "elsewhere";
    auto hard_link = file("d/hard", mtime, 5000); // the size counts for nothing in one
    hard_link.type = EntryType::hard_link;
    hard_link.link_target = "d/big";
    auto capable = file("d/\xC3\xA4", mtime, 512);
    capable.xattrs["security.capability"] = "\1\2";
    return {folder, file("d/big", mtime, 5000), hard_link, link, capable, file(std::string(300, 'n'), mtime, 3)};
}

} // namespace

TEST_SUITE("cache/oci/time_clamp") {
    TEST_CASE("the tar becomes the one of the same files that are not so young") {
        const auto young = tar_of(all_kinds(k_latest + 5)), expected = tar_of(all_kinds(k_latest));
        for (const std::size_t piece : {std::size_t{1}, std::size_t{511}, std::size_t{4096}, SIZE_MAX})
            CHECK(clamped(young, piece) == expected);
    }
    TEST_CASE("what is old enough keeps every byte") {
        for (const std::int64_t mtime : {k_latest, k_latest - 1, std::int64_t{0}, std::int64_t{-5}}) {
            const auto tar = tar_of(all_kinds(mtime)); // a negative time stands in a PAX record
            CHECK(clamped(tar) == tar);
        }
    }
    TEST_CASE("a time too late for a header's field is in a record, which goes") {
        const std::int64_t too_late = std::int64_t{1} << 34;
        CHECK(clamped(tar_of(all_kinds(too_late))) == tar_of(all_kinds(k_latest)));
    }
    TEST_CASE("a tar that is damaged or cut is an error") {
        auto tar = tar_of({file("a", 1, 600)});
        CHECK(clamped(tar.substr(0, 512 + 600)).error().kind == ErrorKind::corrupt);
        CHECK(clamped(tar.substr(0, 100)).error().kind == ErrorKind::corrupt);
        tar.replace(124, 3, "abc");
        CHECK(clamped(tar).error().kind == ErrorKind::corrupt);
    }
}
