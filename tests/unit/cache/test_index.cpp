// SPDX-License-Identifier: Apache-2.0
// The index: records survive reopening, the first result of a key stays unless replaced, foreign formats are refused.
#include "cache/store/index.hpp"

#include "support/files.hpp"

#include <doctest/doctest.h>
#include <sqlite3.h>

#include <array>

using namespace dbuild;
using namespace dbuild::cache;
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

    void add_layer(std::string_view name, std::uint64_t size) { REQUIRE(index.record_layer(sha256(name), size, {})); }
    void add_step(const StepRecord& step, OnConflict on_conflict) {
        REQUIRE(index.record_steps(std::array{step}, "scope", on_conflict));
    }
};

} // namespace

TEST_SUITE_BEGIN("cache/index");

TEST_CASE_FIXTURE(Fixture, "an unknown anything is a miss, not an error") {
    CHECK_FALSE(index.find_step({sha256("k")}).value());
    CHECK_FALSE(index.find_contents(sha256("l")).value());
    CHECK_FALSE(index.find_layer_size(sha256("l")).value());
    CHECK_FALSE(index.find_selection(sha256("c"), "src").value());
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
    REQUIRE(index.record_layer(sha256("l"), 1u << 20, contents));
    const auto found = index.find_contents(sha256("l")).value();
    REQUIRE(found);
    CHECK(oci::encode(*found) == oci::encode(contents));
    CHECK(index.find_layer_size(sha256("l")).value() == 1u << 20);
}

TEST_CASE_FIXTURE(Fixture, "selections are told apart by chain and by source, and the last one counts") {
    REQUIRE(index.record_selection(sha256("c"), "src", sha256("1")));
    REQUIRE(index.record_selection(sha256("c"), "src/", sha256("2")));
    REQUIRE(index.record_selection(sha256("d"), "src", sha256("3")));
    CHECK(index.find_selection(sha256("c"), "src").value() == sha256("1"));
    CHECK(index.find_selection(sha256("c"), "src/").value() == sha256("2"));
    CHECK(index.find_selection(sha256("d"), "src").value() == sha256("3"));
    REQUIRE(index.record_selection(sha256("c"), "src", sha256("4")));
    CHECK(index.find_selection(sha256("c"), "src").value() == sha256("4"));
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

TEST_CASE("an index of a newer format is refused as unsupported, both formats are named, and nothing is changed") {
    const auto root = TempDir::create("dbuild-test-").value();
    sqlite3* database = nullptr;
    REQUIRE(sqlite3_open((root.path() / "index.sqlite").c_str(), &database) == SQLITE_OK);
    CHECK(sqlite3_exec(database, "PRAGMA user_version=3", nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(database);
    const auto before = read_file(root.path() / "index.sqlite").value();
    const auto opened = Index::open(root.path());
    REQUIRE_FALSE(opened);
    CHECK(opened.error().kind == ErrorKind::unsupported);
    CHECK(opened.error().message.find("has format 3, this dbuild knows format 2") != std::string::npos);
    CHECK(read_file(root.path() / "index.sqlite").value() == before);
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

TEST_SUITE_END();
