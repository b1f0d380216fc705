// SPDX-License-Identifier: Apache-2.0
// The layer store: what goes in comes out, what does not match its name is never stored or is deleted when it is read.
#include "cache/store/layer_store.hpp"

#include "cache/store/catalog.hpp"
#include "cache/store/pack_format.hpp"
#include "support/compression.hpp"
#include "tests/unit/cache/store_fixture.hpp"

#include <algorithm>
#include <chrono>
#include <fcntl.h>
#include <sys/file.h>
#include <thread>

namespace fs = std::filesystem;
using namespace dbuild;
using namespace dbuild::cache;
using namespace dbuild::cache::test;
using store::k_trailer_bytes;
using store::LayerStore;

namespace {

struct Fixture : StoreFixture {
    std::string tar = tar_of("etc/motd", "hello");
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

TEST_CASE_FIXTURE(Fixture, "a layer is the same from the spool, from packs, and for another process") {
    const auto big = big_tar(1, 40);
    REQUIRE(layers.put(source_of(big), sha256(big)));
    CHECK(read_all(layers, sha256(big)).value() == big);
    REQUIRE(layers.flush());
    const auto files = layer_files_below(root.path());
    REQUIRE(files.size() == 1);
    CHECK(files[0].extension() == ".dbp");
    CHECK(read_all(layers, sha256(big)).value() == big);
    CHECK(read_all(LayerStore::open(root.path()).value(), sha256(big)).value() == big);
}

TEST_CASE_FIXTURE(Fixture,
                  "a file is stored without a copy, or through one where it is compressed, and may be removed") {
    const auto file = root.path() / "blob";
    SUBCASE("plain") { REQUIRE(write_file(file, tar)); }
    SUBCASE("compressed") { REQUIRE(write_file(file, zstd_compress(tar).value())); }
    const auto scan = layers.put_file(file, diff_id);
    REQUIRE(scan);
    CHECK(scan->contents.entries.size() == 1);
    fs::remove(file);
    CHECK(read_all(layers, diff_id).value() == tar);
    REQUIRE(layers.flush());
    CHECK(read_all(layers, diff_id).value() == tar);
    CHECK(layer_files_below(root.path()).size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "a file with other bytes than its name says leaves nothing but itself") {
    const auto file = root.path() / "blob";
    REQUIRE(write_file(file, tar));
    CHECK(layers.put_file(file, sha256("other")).error().kind == ErrorKind::corrupt);
    REQUIRE(layers.flush());
    CHECK(layer_files_below(root.path()).empty());
    CHECK(read_file(file).value() == tar);
}

TEST_CASE_FIXTURE(Fixture, "a tar that was just written is checked when it is packed") {
    const auto file = root.path() / "blob", bad_file = root.path() / "bad blob";
    REQUIRE(write_file(file, tar));
    REQUIRE(write_file(bad_file, tar));
    const auto other = sha256("other");
    REQUIRE(layers.put_written(file, diff_id));
    REQUIRE(layers.put_written(bad_file, other));
    REQUIRE(layers.put_written(root.path() / "none", diff_id)); // it is here: nothing is read
    fs::remove(file);
    REQUIRE(layers.flush());
    CHECK(read_all(layers, diff_id).value() == tar);
    CHECK_FALSE(layers.has(other));
    CHECK(read_all(layers, other).error().kind == ErrorKind::not_found);
}

TEST_CASE_FIXTURE(Fixture, "a tar that somebody has locked is copied, and nobody waits") {
    const auto file = root.path() / "blob";
    REQUIRE(write_file(file, tar));
    const Fd held(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    REQUIRE(::flock(held.get(), LOCK_EX) == 0);
    REQUIRE(layers.put_written(file, diff_id));
    REQUIRE(layers.flush());
    CHECK(read_all(layers, diff_id).value() == tar);
}

TEST_CASE_FIXTURE(Fixture, "pieces are stored once, across layers and packs") {
    const auto first = big_tar(1, 40), second = oci::tar_header("new", 0) + first;
    REQUIRE(layers.put(source_of(first), sha256(first)));
    REQUIRE(layers.flush());
    const auto bytes_before = fs::file_size(layer_files_below(root.path()).at(0));
    REQUIRE(layers.put(source_of(second), sha256(second)));
    REQUIRE(layers.flush());
    std::uintmax_t bytes = 0;
    for (const auto& file : layer_files_below(root.path())) bytes += fs::file_size(file);
    CHECK(bytes < bytes_before + 4096);
    CHECK(read_all(layers, sha256(second)).value() == second);
}

TEST_CASE_FIXTURE(Fixture, "layers that are put in a row share a pack") {
    std::vector<std::string> tars;
    for (std::uint64_t i = 0; i < 10; ++i) tars.push_back(big_tar(i + 10, 6));
    for (const auto& bytes : tars) REQUIRE(layers.put(source_of(bytes), sha256(bytes)));
    REQUIRE(layers.flush());
    CHECK(layer_files_below(root.path()).size() == 1);
    for (const auto& bytes : tars) CHECK(read_all(layers, sha256(bytes)).value() == bytes);
}

TEST_CASE_FIXTURE(Fixture, "storing a layer again scans it and leaves one file") {
    REQUIRE(layers.put(source_of(tar), diff_id));
    const auto again = layers.put(source_of(tar), diff_id);
    REQUIRE(again);
    CHECK(again->diff_id == diff_id);
    REQUIRE(layers.flush());
    CHECK(layer_files_below(root.path()).size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "where no layer is expected for some time, the open pack is made visible by itself") {
    REQUIRE(layers.put(source_of(tar), diff_id));
    layers.begin_flush();
    const auto is_packed = [&] {
        auto other = store::Catalog(root.path()); // as another process sees it
        REQUIRE(other.open());
        return other.find_layer(diff_id).value().has_value();
    };
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!is_packed() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    CHECK(is_packed());
    layers.begin_flush(); // nothing is open
    const auto next = big_tar(2, 3);
    REQUIRE(layers.put(source_of(next), sha256(next)));
    REQUIRE(layers.flush());
    CHECK(read_all(layers, diff_id).value() == tar);
    CHECK(read_all(layers, sha256(next)).value() == next);
}

TEST_CASE_FIXTURE(Fixture, "a layer with the wrong bytes is corrupt and leaves nothing behind") {
    const auto scan = layers.put(source_of(tar), sha256("other"));
    REQUIRE_FALSE(scan);
    CHECK(scan.error().kind == ErrorKind::corrupt);
    CHECK_FALSE(layers.has(sha256("other")));
    REQUIRE(layers.flush());
    CHECK(layer_files_below(root.path()).empty());
}

TEST_CASE_FIXTURE(Fixture, "what is no tar is corrupt and leaves nothing behind") {
    for (const auto& bytes :
         {std::string(), std::string("no tar at all"), tar.substr(0, 514), std::string(4096, 'x')}) {
        CAPTURE(bytes.size());
        const auto scan = layers.put(source_of(bytes), sha256(bytes));
        REQUIRE_FALSE(scan);
        CHECK(scan.error().kind == ErrorKind::corrupt);
        REQUIRE(layers.flush());
        CHECK(layer_files_below(root.path()).empty());
    }
}

TEST_CASE_FIXTURE(Fixture, "a source that fails midway fails the put with its own error") {
    std::size_t given = 0;
    const auto scan = layers.put(
        [&](char* buffer, std::size_t capacity) -> Result<std::size_t> {
            if (given == 512) return fail(ErrorKind::transient, "engine went away");
            const auto count = tar.copy(buffer, std::min(capacity, 512 - given), given);
            given += count;
            return count;
        },
        diff_id);
    REQUIRE_FALSE(scan);
    CHECK(scan.error().kind == ErrorKind::transient);
    REQUIRE(layers.flush());
    CHECK(layer_files_below(root.path()).empty());
}

TEST_CASE_FIXTURE(Fixture, "a pack that was damaged is corrupt once, deleted, and a miss from then on") {
    tar = big_tar(3, 30);
    diff_id = sha256(tar);
    REQUIRE(layers.put(source_of(tar), diff_id));
    REQUIRE(layers.flush());
    const auto file = layer_files_below(root.path()).at(0);
    const auto size = fs::file_size(file);
    SUBCASE("a flipped byte in the data") { flip_byte(file, size / 2); }
    SUBCASE("a flipped byte in the header") { flip_byte(file, 3); }
    SUBCASE("a flipped byte in the trailer") { flip_byte(file, size - k_trailer_bytes + 30); }
    SUBCASE("a flipped byte in the trailer's mark") { flip_byte(file, size - 2); }
    const auto first = read_all(layers, diff_id);
    REQUIRE_FALSE(first);
    CHECK(first.error().kind == ErrorKind::corrupt);
    CHECK_FALSE(fs::exists(file));
    CHECK_FALSE(layers.has(diff_id));
    const auto second = read_all(layers, diff_id);
    REQUIRE_FALSE(second);
    CHECK(second.error().kind == ErrorKind::not_found);
    REQUIRE(layers.put(source_of(tar), diff_id)); // and it can be stored again
    REQUIRE(layers.flush());
    CHECK(read_all(layers, diff_id).value() == tar);
}

TEST_CASE_FIXTURE(Fixture, "a pack that is gone or has another size is noticed before anybody reads it") {
    REQUIRE(layers.put(source_of(tar), diff_id));
    REQUIRE(layers.flush());
    const auto file = layer_files_below(root.path()).at(0);
    SUBCASE("gone") { fs::remove(file); }
    SUBCASE("cut off") { fs::resize_file(file, fs::file_size(file) - 3); }
    SUBCASE("empty") { fs::resize_file(file, 0); }
    CHECK_FALSE(layers.has(diff_id));
    CHECK(read_all(layers, diff_id).error().kind == ErrorKind::not_found);
}

TEST_CASE_FIXTURE(Fixture, "a layer in the spool that was damaged is corrupt once, deleted, and a miss from then on") {
    fs::create_directories(root.path() / "spool");
    const auto file = root.path() / "spool" / (diff_id.hex() + ".tar");
    REQUIRE(write_file(file, "another layer"));
    CHECK(read_all(layers, diff_id).error().kind == ErrorKind::corrupt);
    CHECK_FALSE(fs::exists(file));
    CHECK_FALSE(layers.has(diff_id));
}

TEST_CASE_FIXTURE(Fixture,
                  "what a dead process left in the spool is packed by the next one, unless a power cut damaged it") {
    fs::create_directories(root.path() / "spool");
    const auto torn = root.path() / "spool" / (sha256("torn").hex() + ".tar");
    REQUIRE(write_file(root.path() / "spool" / (diff_id.hex() + ".tar"), tar));
    REQUIRE(write_file(torn, std::string(100, '\0')));
    REQUIRE(write_file(root.path() / "spool" / "tmp-abcdef", "half a layer"));
    const auto next = LayerStore::open(root.path()).value();
    REQUIRE(next.flush());
    const auto files = layer_files_below(root.path());
    REQUIRE(files.size() == 1);
    CHECK(files[0].extension() == ".dbp");
    CHECK(read_all(next, diff_id).value() == tar);
    CHECK_FALSE(next.has(sha256("torn")));
}

TEST_CASE_FIXTURE(Fixture, "a layer of format 1 is still read") {
    const auto file = root.path() / "layers" / diff_id.hex().substr(0, 2) / (diff_id.hex() + ".tar.zst");
    fs::create_directories(file.parent_path());
    REQUIRE(write_file(file, zstd_compress(tar).value()));
    CHECK(layers.has(diff_id));
    CHECK(read_all(layers, diff_id).value() == tar);
}

TEST_CASE_FIXTURE(Fixture, "a failing sink is no damage: the file stays") {
    REQUIRE(layers.put(source_of(tar), diff_id));
    const auto status =
        layers.read(diff_id, [](std::string_view) -> Status { return fail(ErrorKind::unavailable, "disk full"); });
    REQUIRE_FALSE(status);
    CHECK(status.error().message == "disk full");
    REQUIRE(layers.flush());
    const auto packed =
        layers.read(diff_id, [](std::string_view) -> Status { return fail(ErrorKind::unavailable, "disk full"); });
    REQUIRE_FALSE(packed);
    CHECK(packed.error().message == "disk full");
    CHECK(layers.has(diff_id));
}

TEST_CASE_FIXTURE(Fixture, "a blob is kept as it came, under the digest of its own bytes") {
    const auto packed = zstd_compress(tar).value();
    REQUIRE(layers.put_blob(source_of(packed), sha256(packed)));
    CHECK(read_all(layers, sha256(packed)).value() == packed);
    const auto wrong = layers.put_blob(source_of(packed), sha256("other"));
    REQUIRE_FALSE(wrong);
    CHECK(wrong.error().kind == ErrorKind::corrupt);
    CHECK(layer_files_below(root.path()).size() == 1);
}

TEST_SUITE_END();
