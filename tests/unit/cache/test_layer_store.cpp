// SPDX-License-Identifier: Apache-2.0
// The layer store: what goes in comes out, what does not match its name is never stored or is deleted when it is read.
#include "cache/store/layer_store.hpp"

#include "cache/oci/archive.hpp"
#include "support/compression.hpp"
#include "support/files.hpp"

#include <doctest/doctest.h>

namespace fs = std::filesystem;
using namespace dbuild;
using namespace dbuild::cache;
using store::LayerStore;

namespace {

oci::ByteSource source_of(std::string bytes) {
    return [bytes = std::move(bytes), at = std::size_t{0}](char* buffer, std::size_t capacity) mutable -> Result<std::size_t> {
        const auto count = bytes.copy(buffer, capacity, at);
        at += count;
        return count;
    };
}

std::string one_file_tar() {
    return oci::tar_header("etc/motd", 5) + "hello" + oci::tar_padding(5) + std::string(oci::k_tar_end_bytes, '\0');
}

Result<std::string> read_all(const LayerStore& layers, const Digest& digest) {
    std::string bytes;
    DBUILD_TRY(layers.read(digest, [&](std::string_view piece) -> Status {
        bytes += piece;
        return {};
    }));
    return bytes;
}

std::vector<fs::path> files_below(const fs::path& folder) {
    std::vector<fs::path> files;
    for (const auto& item : fs::recursive_directory_iterator(folder))
        if (item.is_regular_file()) files.push_back(item.path());
    return files;
}

struct Fixture {
    TempDir root = TempDir::create("dbuild-test-").value();
    LayerStore layers = LayerStore::open(root.path()).value();
    std::string tar = one_file_tar();
    Digest diff_id = sha256(tar);
};

} // namespace

TEST_SUITE_BEGIN("cache/layer_store");

TEST_CASE_FIXTURE(Fixture, "a layer comes back byte for byte, and its scan is handed over") {
    CHECK_FALSE(layers.has(diff_id));
    const auto scan = layers.put(source_of(tar), diff_id);
    REQUIRE(scan);
    CHECK(scan->diff_id == diff_id);
    CHECK(scan->size == tar.size());
    REQUIRE(scan->contents.entries.size() == 1);
    CHECK(scan->contents.entries[0].path == "etc/motd");
    CHECK(scan->contents.entries[0].content == sha256("hello"));
    CHECK(layers.has(diff_id));
    CHECK(read_all(layers, diff_id).value() == tar);
}

TEST_CASE_FIXTURE(Fixture, "a compressed layer is stored under the digest of the tar") {
    REQUIRE(layers.put(source_of(zstd_compress(tar).value()), diff_id));
    CHECK(read_all(layers, diff_id).value() == tar);
}

TEST_CASE_FIXTURE(Fixture, "storing a layer again scans it and leaves one file") {
    REQUIRE(layers.put(source_of(tar), diff_id));
    const auto again = layers.put(source_of(tar), diff_id);
    REQUIRE(again);
    CHECK(again->diff_id == diff_id);
    CHECK(files_below(root.path()).size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "a layer with the wrong bytes is corrupt and leaves nothing behind") {
    const auto scan = layers.put(source_of(tar), sha256("other"));
    REQUIRE_FALSE(scan);
    CHECK(scan.error().kind == ErrorKind::corrupt);
    CHECK_FALSE(layers.has(sha256("other")));
    CHECK(files_below(root.path()).empty());
}

TEST_CASE_FIXTURE(Fixture, "what is no tar is corrupt and leaves nothing behind") {
    for (const auto& bytes : {std::string(), std::string("no tar at all"), tar.substr(0, 514), std::string(4096, 'x')}) {
        CAPTURE(bytes.size());
        const auto scan = layers.put(source_of(bytes), sha256(bytes));
        REQUIRE_FALSE(scan);
        CHECK(scan.error().kind == ErrorKind::corrupt);
        CHECK(files_below(root.path()).empty());
    }
}

TEST_CASE_FIXTURE(Fixture, "a source that fails midway fails the put with its own error") {
    bool is_first = true;
    const auto scan = layers.put(
        [&](char* buffer, std::size_t) -> Result<std::size_t> {
            if (!std::exchange(is_first, false)) return fail(ErrorKind::transient, "engine went away");
            return tar.copy(buffer, 512);
        },
        diff_id);
    REQUIRE_FALSE(scan);
    CHECK(scan.error().kind == ErrorKind::transient);
    CHECK(files_below(root.path()).empty());
}

TEST_CASE_FIXTURE(Fixture, "a stored file that was damaged is corrupt once, deleted, and a miss from then on") {
    REQUIRE(layers.put(source_of(tar), diff_id));
    const auto file = files_below(root.path()).at(0);
    SUBCASE("flipped byte") {
        auto bytes = read_file(file).value();
        bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 0x20);
        REQUIRE(write_file(file, bytes));
    }
    SUBCASE("cut off") { fs::resize_file(file, fs::file_size(file) - 3); }
    SUBCASE("empty") { fs::resize_file(file, 0); }
    SUBCASE("another layer's bytes") { REQUIRE(write_file(file, zstd_compress("another layer").value())); }
    const auto first = read_all(layers, diff_id);
    REQUIRE_FALSE(first);
    CHECK(first.error().kind == ErrorKind::corrupt);
    CHECK_FALSE(fs::exists(file));
    CHECK_FALSE(layers.has(diff_id));
    const auto second = read_all(layers, diff_id);
    REQUIRE_FALSE(second);
    CHECK(second.error().kind == ErrorKind::not_found);
}

TEST_CASE_FIXTURE(Fixture, "a failing sink is no damage: the file stays") {
    REQUIRE(layers.put(source_of(tar), diff_id));
    const auto status = layers.read(diff_id, [](std::string_view) -> Status { return fail(ErrorKind::unavailable, "disk full"); });
    REQUIRE_FALSE(status);
    CHECK(status.error().message == "disk full");
    CHECK(layers.has(diff_id));
}

TEST_CASE_FIXTURE(Fixture, "a blob is kept as it came, under the digest of its own bytes") {
    const auto packed = zstd_compress(tar).value();
    REQUIRE(layers.put_blob(source_of(packed), sha256(packed)));
    CHECK(read_all(layers, sha256(packed)).value() == packed);
    const auto wrong = layers.put_blob(source_of(packed), sha256("other"));
    REQUIRE_FALSE(wrong);
    CHECK(wrong.error().kind == ErrorKind::corrupt);
    CHECK(files_below(root.path()).size() == 1);
}

TEST_SUITE_END();
