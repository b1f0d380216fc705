// SPDX-License-Identifier: Apache-2.0
// The index: records survive reopening, the first result of a key stays unless replaced, foreign formats are refused.
#include "cache/store/index.hpp"

#include "cache/store/catalog.hpp"
#include "cache/store/database.hpp"
#include "support/files.hpp"

#include <doctest/doctest.h>
#include <sqlite3.h>

#include <array>
#include <fstream>
#include <sys/stat.h>

using namespace dbuild;
using namespace dbuild::cache;
using store::CompressedLayer;
using store::Index;
using store::StepRecord;
using OnConflict = store::Index::OnConflict;

namespace {

StepRecord record(std::string_view key, std::string_view layer) {
    return {StepKey{sha256(key)},
            sha256(layer),
            sha256(std::string("content of ") + std::string(layer)),
            0,
            "2026-11-21T05:43:13Z",
            12.5,
            "kind=run\n"};
}

struct Fixture {
    TempDir root = TempDir::create("dbuild-test-").value();
    Index index = Index::open(root.path()).value();

    void add_layer(std::string_view name, std::uint64_t size) {
        REQUIRE(index.record_layer(sha256(name), {size, false}, {}));
    }
    void add_step(const StepRecord& step, OnConflict on_conflict) {
        REQUIRE(index.record_steps(std::array{step}, "scope", on_conflict));
    }
};

std::uint64_t log_bytes(const TempDir& root) {
    struct stat status {};
    return ::stat((root.path() / "index.sqlite-wal").c_str(), &status) == 0 ? static_cast<std::uint64_t>(status.st_size)
                                                                            : 0;
}

void make_database(const std::filesystem::path& path, const std::string& sql) {
    sqlite3* database = nullptr;
    REQUIRE(sqlite3_open(path.c_str(), &database) == SQLITE_OK);
    CHECK(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(database);
}

} // namespace

TEST_SUITE_BEGIN("cache/index");

TEST_CASE_FIXTURE(Fixture, "an unknown anything is a miss, not an error") {
    CHECK_FALSE(index.find_step({sha256("k")}).value());
    CHECK_FALSE(index.find_contents(sha256("l")).value());
    CHECK_FALSE(index.find_layer(sha256("l")).value());
    CHECK_FALSE(index.find_selection(sha256("c"), "src").value());
    CHECK_FALSE(index.find_compressed(sha256("l"), "gzip").value());
    CHECK_FALSE(index.find_clamped(sha256("l"), 7).value());
    CHECK_FALSE(index.find_brought(sha256("m")).value());
    CHECK_FALSE(index.find_base("sha256:1").value());
    CHECK_FALSE(index.find_pin("busybox").value());
}

TEST_CASE_FIXTURE(Fixture, "a step comes back with the size of its layer, also after the index was opened again") {
    add_layer("l", 4096);
    const auto written = record("k", "l");
    add_step(written, OnConflict::keep_first);
    auto reopened = Index::open(root.path());
    REQUIRE(reopened);
    for (auto* reader : {&index, &*reopened}) {
        const auto found = reader->find_step(written.key).value();
        REQUIRE(found);
        CHECK(found->key == written.key);
        CHECK(found->diff_id == written.diff_id);
        CHECK(found->content_id == written.content_id);
        CHECK(found->layer_bytes == 4096);
        CHECK(found->created == written.created);
        CHECK(found->wall_ms == written.wall_ms);
        CHECK(found->ingredients.empty());
    }
}

TEST_CASE_FIXTURE(Fixture, "a step whose layer was never recorded is a miss") {
    add_step(record("k", "unknown layer"), OnConflict::keep_first);
    CHECK_FALSE(index.find_step({sha256("k")}).value());
}

TEST_CASE_FIXTURE(Fixture, "the first result of a key stays, unless it is replaced") {
    add_layer("first", 1);
    add_layer("second", 2);
    add_step(record("k", "first"), OnConflict::keep_first);
    add_step(record("k", "second"), OnConflict::keep_first);
    CHECK(index.find_step({sha256("k")}).value()->diff_id == sha256("first"));
    add_step(record("k", "second"), OnConflict::replace);
    CHECK(index.find_step({sha256("k")}).value()->diff_id == sha256("second"));
    CHECK(index.find_step({sha256("k")}).value()->layer_bytes == 2);
}

TEST_CASE_FIXTURE(Fixture, "using steps again is allowed, also in another scope and for none") {
    const std::array keys{StepKey{sha256("a")}, StepKey{sha256("b")}};
    CHECK(index.use_steps(keys, "one"));
    CHECK(index.use_steps(keys, "one"));
    CHECK(index.use_steps(keys, "two"));
    CHECK(index.use_steps({}, "one"));
}

TEST_CASE_FIXTURE(Fixture, "a layer's table of contents and size come back") {
    oci::TableOfContents contents;
    oci::LayerEntry entry;
    entry.path = std::string("etc/\xff\0x", 7);
    entry.mode = 04755;
    entry.mtime_seconds = -1;
    entry.xattrs["user.a"] = std::string("\0b", 2);
    entry.content = sha256("bytes");
    contents.entries = {entry};
    REQUIRE(index.record_layer(sha256("l"), {1u << 20, true}, contents));
    const auto found = index.find_contents(sha256("l")).value();
    REQUIRE(found);
    CHECK(oci::encode(*found) == oci::encode(contents));
    const auto layer = index.find_layer(sha256("l")).value();
    REQUIRE(layer);
    CHECK(layer->size == 1u << 20);
    CHECK(layer->is_made_in_process);
}

TEST_CASE_FIXTURE(Fixture, "selections are told apart by layers and by source, and the last one counts") {
    REQUIRE(index.record_selection(sha256("c"), "src", sha256("1")));
    REQUIRE(index.record_selection(sha256("c"), "src/", sha256("2")));
    REQUIRE(index.record_selection(sha256("d"), "src", sha256("3")));
    CHECK(index.find_selection(sha256("c"), "src").value() == sha256("1"));
    CHECK(index.find_selection(sha256("c"), "src/").value() == sha256("2"));
    CHECK(index.find_selection(sha256("d"), "src").value() == sha256("3"));
    REQUIRE(index.record_selection(sha256("c"), "src", sha256("4")));
    CHECK(index.find_selection(sha256("c"), "src").value() == sha256("4"));
}

TEST_CASE_FIXTURE(Fixture, "blobs are remembered by layer and compression, and images by manifest") {
    const CompressedLayer gzip{sha256("l"), sha256("gzip of l"), 1u << 20}, zstd{sha256("l"), sha256("zstd of l"), 9};
    REQUIRE(index.record_compressed(std::array{gzip, CompressedLayer{sha256("other"), sha256("its"), 1}}, "gzip"));
    REQUIRE(index.record_compressed(std::array{zstd}, "zstd"));
    const auto found = index.find_compressed(sha256("l"), "gzip").value();
    REQUIRE(found);
    CHECK(found->digest == gzip.digest);
    CHECK(found->size == gzip.size);
    CHECK(index.find_compressed(sha256("l"), "zstd").value()->digest == zstd.digest);
    REQUIRE(index.record_unpacked(sha256("gzip of l"), sha256("l")));
    REQUIRE(index.record_unpacked(sha256("gzip of l"), sha256("l")));
    CHECK(index.has_unpacked(sha256("gzip of l"), sha256("l")).value());
    CHECK_FALSE(index.has_unpacked(sha256("zstd of l"), sha256("l")).value());
    CHECK_FALSE(index.has_unpacked(sha256("gzip of l"), sha256("other")).value());
    REQUIRE(index.record_brought(sha256("m"), 700));
    REQUIRE(index.record_brought(sha256("m"), 700));
    CHECK(index.find_brought(sha256("m")).value() == 700);
    REQUIRE(index.forget_brought(sha256("m")));
    CHECK_FALSE(index.find_brought(sha256("m")).value());
    REQUIRE(index.record_clamped(sha256("l"), 7, sha256("l at 7")));
    REQUIRE(index.record_clamped(sha256("l"), 8, sha256("l at 8")));
    REQUIRE(index.record_clamped(sha256("l"), 7, sha256("l at 7 again")));
    CHECK(index.find_clamped(sha256("l"), 7).value() == sha256("l at 7 again"));
    CHECK(index.find_clamped(sha256("l"), 8).value() == sha256("l at 8"));
}

TEST_CASE_FIXTURE(Fixture, "base images and pins come back, a pin as it was last seen") {
    REQUIRE(index.record_base({"sha256:1", "{\"config\":1}", "{\"manifest\":1}"}));
    const auto base = index.find_base("sha256:1").value();
    REQUIRE(base);
    CHECK(base->config == "{\"config\":1}");
    CHECK(base->manifest == "{\"manifest\":1}");
    REQUIRE(index.record_pin("busybox", "sha256:1"));
    REQUIRE(index.record_pin("busybox", "sha256:2"));
    CHECK(index.find_pin("busybox").value() == "sha256:2");
}

TEST_CASE_FIXTURE(Fixture, "a pin is an answer from when it was asked for until another image is seen") {
    REQUIRE(index.record_pin("busybox", "sha256:1"));
    CHECK_FALSE(index.find_pin("busybox", 1).value());
    REQUIRE(index.record_answer("busybox", "sha256:1"));
    CHECK(index.find_pin("busybox", dbuild::cache::store::unix_seconds() - 60).value() == "sha256:1");
    CHECK_FALSE(index.find_pin("busybox", dbuild::cache::store::unix_seconds() + 60).value());
    REQUIRE(index.record_pin("busybox", "sha256:1"));
    CHECK(index.find_pin("busybox", 1).value());
    REQUIRE(index.record_pin("busybox", "sha256:2"));
    CHECK_FALSE(index.find_pin("busybox", 1).value());
    CHECK(index.find_pin("busybox").value() == "sha256:2");
}

TEST_CASE("an index of a newer format is refused as unsupported, both formats are named, and nothing is changed") {
    const auto root = TempDir::create("dbuild-test-").value();
    make_database(root.path() / "index.sqlite", "PRAGMA user_version=8");
    const auto before = read_file(root.path() / "index.sqlite").value();
    const auto opened = Index::open(root.path());
    REQUIRE_FALSE(opened);
    CHECK(opened.error().kind == ErrorKind::unsupported);
    CHECK(opened.error().message.find("has format 8, this dbuild knows format 7") != std::string::npos);
    CHECK(read_file(root.path() / "index.sqlite").value() == before);
}

TEST_CASE_FIXTURE(Fixture, "within a read transaction nothing changes, until something is recorded or it ends") {
    auto other = Index::open(root.path()).value();
    const auto record_elsewhere = [&](std::string_view id) { REQUIRE(other.record_pin("busybox", id)); };
    record_elsewhere("1");
    {
        const Index::ReadTransaction reading(index);
        CHECK(index.find_pin("busybox").value() == "1");
        record_elsewhere("2");
        CHECK(index.find_pin("busybox").value() == "1");
    }
    CHECK(index.find_pin("busybox").value() == "2");
    {
        const Index::ReadTransaction reading(index);
        CHECK(index.find_pin("busybox").value() == "2");
        record_elsewhere("3");
        add_layer("l", 1);
        CHECK(index.find_pin("busybox").value() == "3");
    }
    CHECK(index.find_layer(sha256("l")).value());
}

TEST_CASE("the log does not outlive whoever wrote much, and nobody waits for a reader") {
    const auto root = TempDir::create("dbuild-test-").value();
    const auto write_much = [&](char filling) {
        auto index = Index::open(root.path()).value();
        for (int i = 0; i < 50; ++i) REQUIRE(index.record_pin("name" + std::to_string(i), std::string(2000, filling)));
        CHECK(log_bytes(root) > 100'000);
    };
    write_much('x');
    CHECK(log_bytes(root) == 0);
    auto reader = Index::open(root.path()).value();
    const Index::ReadTransaction reading(reader);
    REQUIRE(reader.find_pin("name1").value());
    write_much('y');
    CHECK(log_bytes(root) > 0);
    auto later = Index::open(root.path()).value();
    CHECK(later.find_pin("name49").value());
}

TEST_CASE("an index of format 2 is brought up to date, and keeps all it knew") {
    const auto root = TempDir::create("dbuild-test-").value();
    const std::string memos_of_format_4 = "INSERT INTO selection VALUES(zeroblob(32), 'brought to an engine', "
                                          "zeroblob(32)), (zeroblob(32), 'size of a blob', zeroblob(32)), "
                                          "(zeroblob(32), 'gzip level 6 by zlib 1.2.13', zeroblob(32)), "
                                          "(zeroblob(32), 'times clamped to 7', zeroblob(32));";
    make_database(root.path() / "index.sqlite",
                  read_file(DBUILD_UNIT_TESTS_DIR "/cache/index_format_2.sql").value() + memos_of_format_4);
    const auto digest = [](const std::string& hex) { return Digest::parse("sha256:" + hex).value(); };
    const auto format_2_copy = digest("42407a772b07128ceb1a3167b648ca077bf89cd9ebd28732e5b5949ae72c39ed");
    const auto format_2_run = digest("b2bb6087fbe9e7c1652cdf8b5044ded0f1209dd050ace857fa2034d158871a83");
    const auto selected_from = digest("30d92b146b761cc689eaaae313f64d869af3c763ed0bd3568a7d905b7874ceb8");
    auto index = Index::open(root.path()).value();
    CHECK(index.take_warnings().empty());
    const auto copied = index.find_step({format_2_copy}).value();
    REQUIRE(copied);
    const auto layer = index.find_layer(copied->diff_id).value();
    REQUIRE(layer);
    CHECK(layer->is_made_in_process);
    CHECK(layer->size == copied->layer_bytes);
    CHECK(index.find_contents(copied->diff_id).value());
    const auto ran = index.find_step({format_2_run}).value();
    REQUIRE(ran);
    CHECK_FALSE(index.find_layer(ran->diff_id).value()->is_made_in_process);
    CHECK_FALSE(index.find_selection(copied->diff_id, "in-process").value()); // the memo that it was before
    CHECK_FALSE(index.find_selection(selected_from, "/sorted").value());      // such memos were by chain
    CHECK_FALSE(index.find_brought(Digest()).value()); // the memo did not say how long the manifest is
    for (const auto* memo :
         {"brought to an engine", "size of a blob", "gzip level 6 by zlib 1.2.13", "times clamped to 7"})
        CHECK_FALSE(index.find_selection(Digest(), memo).value());
    CHECK_FALSE(index.has_unpacked(Digest(), Digest()).value());
    CHECK(index.find_pin("dbuild-test/busybox:1").value());
    CHECK_FALSE(index.find_pin("dbuild-test/busybox:1", 1).value()); // nobody knows when that was asked
    REQUIRE(index.record_steps(std::array{record("new", "layer")}, "scope", OnConflict::keep_first));
}

TEST_CASE("a file that is no database is set aside with one warning, and a new one is started") {
    const auto root = TempDir::create("dbuild-test-").value();
    REQUIRE(write_file(root.path() / "index.sqlite", std::string(4096, 'x')));
    auto opened = Index::open(root.path());
    REQUIRE(opened);
    const auto warnings = opened->take_warnings();
    REQUIRE(warnings.size() == 1);
    CHECK(warnings[0].find("index.sqlite.corrupt-") != std::string::npos);
    REQUIRE(opened->record_pin("busybox", "sha256:1"));
    CHECK(opened->find_pin("busybox").value() == "sha256:1");
    bool is_kept = false;
    for (const auto& item : std::filesystem::directory_iterator(root.path()))
        if (item.path().filename().string().starts_with("index.sqlite.corrupt-"))
            is_kept = read_file(item.path()).value() == std::string(4096, 'x');
    CHECK(is_kept);
}

TEST_CASE_FIXTURE(Fixture, "what is recorded in an index that is damaged just then is found in the new one") {
    const auto file = root.path() / "index.sqlite";
    add_layer("before", 1);
    make_database(file, "PRAGMA wal_checkpoint(TRUNCATE)");
    auto used = Index::open(root.path()).value();
    CHECK_FALSE(used.was_damaged());
    {
        std::fstream pages(file, std::ios::binary | std::ios::in | std::ios::out); // the same file, not a new one
        pages.seekp(4096);
        pages << std::string(std::filesystem::file_size(file) - 4096, 'x');
    }
    REQUIRE(used.record_layer(sha256("layer"), {7, false}, {}));
    REQUIRE(used.record_steps(std::array{record("key", "layer")}, "scope", OnConflict::replace));
    CHECK(used.was_damaged());
    CHECK(used.take_warnings().size() == 1);
    CHECK(used.find_step({sha256("key")}).value()->layer_bytes == 7);
    CHECK_FALSE(used.is_private());
    CHECK(Index::open(root.path()).value().find_step({sha256("key")}).value());
}

TEST_CASE("the file systems where SQLite is not safe are known by their numbers, the usual ones are safe") {
    CHECK(store::unsafe_file_system(0x6969) == "NFS");
    CHECK(store::unsafe_file_system(0x65735546) == "FUSE");
    CHECK(store::unsafe_file_system(0xffffffffff534d42) == "CIFS"); // a number with a sign, as some kernels give it
    for (const std::uint64_t safe : {0xef53, 0x01021994, 0x58465342, 0x794c7630}) // ext4, tmpfs, xfs, overlay
        CHECK(store::unsafe_file_system(safe).empty());
}

TEST_SUITE_END();
