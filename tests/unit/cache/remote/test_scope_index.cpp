// SPDX-License-Identifier: Apache-2.0
// The published index: what is written is read, and nothing else is.
#include "../store_fixture.hpp"
#include "cache/remote/scope_index.hpp"
#include "cache/store/database.hpp"
#include "support/compression.hpp"

#include <doctest/doctest.h>

using namespace dbuild;
using namespace dbuild::cache;
using namespace dbuild::cache::remote;

namespace {

/// A step with a layer of its own in a pack of its own.
void add_step(ScopeIndex& index, const std::string& name, std::int64_t used = 0) {
    const auto key = sha256("key " + name), diff_id = sha256("layer " + name);
    index.steps[key] = {
        {{key}, diff_id, sha256("content " + name), 0, "2026-11-21T10:00:00.000000000Z", 1.5, "a=b\n", {}}, used};
    index.layers[diff_id] = {diff_id, 10, zstd_compress(oci::encode({})).value()};
    store::PackedLayer layer{diff_id, 10, {{Digest(), 10}}, {{0, 0}}};
    index.packs[sha256("pack " + name)] = {1000, {{16, 20, 30}}, {layer}};
}

ErrorKind kind_of(const Result<ScopeIndex>& read) {
    REQUIRE(!read);
    return read.error().kind;
}

} // namespace

TEST_SUITE("cache/remote/scope_index") {
    TEST_CASE("what is written is read") {
        ScopeIndex index;
        add_step(index, "one", 7);
        add_step(index, "two", 8);
        index.bases["sha256:x"] = {
            {"sha256:x", R"({"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}})",
             R"({"schemaVersion":2,"config":{"mediaType":"c","digest":"sha256:0000000000000000000000000000000000000000000000000000000000000001","size":1},"layers":[]})"},
            5};
        const auto bytes = encode(index).value();
        const auto read = decode(bytes).value();
        REQUIRE(read.steps.size() == 2);
        const auto& step = read.steps.at(sha256("key one"));
        CHECK(step.record.diff_id == sha256("layer one"));
        CHECK(step.record.content_id == sha256("content one"));
        CHECK(step.record.created == "2026-11-21T10:00:00.000000000Z");
        CHECK(step.record.wall_ms == 1.5);
        CHECK(step.record.ingredients == "a=b\n");
        CHECK(step.used == 7);
        CHECK(read.layers.size() == 2);
        CHECK(read.bases.at("sha256:x").used == 5);
        CHECK(restorable_layers(read).size() == 2);
        CHECK(read.packs.at(sha256("pack one")).bytes == 1000);
        CHECK(encode(read).value() == bytes);
    }
    TEST_CASE("damaged bytes are corrupt, wherever the damage is") {
        ScopeIndex index;
        for (int i = 0; i < 20; ++i) add_step(index, std::to_string(i));
        const auto bytes = encode(index).value();
        CHECK(kind_of(decode("")) == ErrorKind::corrupt);
        CHECK(kind_of(decode("garbage")) == ErrorKind::corrupt);
        CHECK(kind_of(decode(bytes.substr(0, bytes.size() / 2))) == ErrorKind::corrupt);
        // With a sound frame around it: SQLite and our own checks, never a crash.
        const auto file = zstd_decompress(bytes, 1u << 28).value();
        for (std::size_t at = 0; at < file.size(); at += 97) {
            auto changed = file;
            changed[at] = static_cast<char>(changed[at] ^ 0x55);
            if (const auto read = decode(zstd_compress(changed).value()); !read)
                CHECK((read.error().kind == ErrorKind::corrupt || read.error().kind == ErrorKind::unsupported));
        }
    }
    TEST_CASE("a database with other tables is refused, and one with views or triggers beside ours") {
        const auto read = [](store::Database& database) {
            return kind_of(decode(zstd_compress(database.to_bytes().value()).value()));
        };
        auto others = store::Database::create_in_memory("CREATE TABLE step(key)").value();
        CHECK(read(others) == ErrorKind::corrupt);
        for (const std::string sql : {"CREATE VIEW v AS SELECT 1", "CREATE TABLE x(a)",
                                      "CREATE TRIGGER t AFTER INSERT ON step BEGIN DELETE FROM step; END"}) {
            auto ours = store::Database::create_in_memory(std::string(scope_index_schema())).value();
            REQUIRE(ours.execute(sql));
            CHECK(read(ours) == ErrorKind::corrupt);
        }
    }
    TEST_CASE("a newer format is left alone") {
        auto newer = store::Database::create_in_memory("PRAGMA user_version=2").value();
        CHECK(kind_of(decode(zstd_compress(newer.to_bytes().value()).value())) == ErrorKind::unsupported);
    }
    TEST_CASE("rows that no dbuild writes are refused") {
        const auto refused = [](const std::function<void(ScopeIndex&)>& change) {
            ScopeIndex index;
            add_step(index, "one");
            change(index);
            return kind_of(decode(encode(index).value())) == ErrorKind::corrupt;
        };
        const auto key = sha256("key one");
        CHECK(refused([&](auto& index) { index.steps.at(key).record.created = "yesterday"; }));
        CHECK(refused([&](auto& index) { index.steps.at(key).record.wall_ms = -1; }));
        CHECK(refused([&](auto& index) { index.steps.at(key).record.content_id = {}; }));
        CHECK(refused([&](auto& index) { index.layers.begin()->second.contents = "no table"; }));
        CHECK(refused([&](auto& index) { index.packs.begin()->second.bytes = 20; }));
        CHECK(refused([&](auto& index) { index.bases["x"] = {{"x", "no config", "{}"}, 0}; }));
    }
    TEST_CASE("of two results the first stays, unless it is replaced; the last use counts") {
        ScopeIndex published, mine;
        add_step(published, "one", 10);
        add_step(mine, "one", 20);
        const auto key = sha256("key one");
        mine.steps.at(key).record.diff_id = sha256("another layer");
        auto merged = published;
        merge(merged, mine, {});
        CHECK(merged.steps.at(key).record.diff_id == sha256("layer one"));
        CHECK(merged.steps.at(key).used == 20);
        merged = published;
        merge(merged, mine, {key});
        CHECK(merged.steps.at(key).record.diff_id == sha256("another layer"));
    }
    TEST_CASE("with a pack go the steps that need it") {
        ScopeIndex index;
        add_step(index, "one");
        add_step(index, "two");
        forget_packs(index, {sha256("pack one")});
        CHECK(index.steps.size() == 1);
        CHECK(index.layers.size() == 1);
        CHECK(index.packs.size() == 1);
        CHECK(index.steps.contains(sha256("key two")));
    }
    TEST_CASE("a layer in several packs needs all of them") {
        ScopeIndex index;
        add_step(index, "one");
        add_step(index, "two");
        index.packs.at(sha256("pack one")).layers.front().packs.push_back({sha256("pack two"), 5});
        CHECK(restorable_layers(index).size() == 2);
        forget_packs(index, {sha256("pack two")});
        CHECK(index.steps.empty());
        CHECK(index.packs.empty());
    }
    TEST_CASE("what was not used for longest goes when the index grows") {
        ScopeIndex index;
        for (int i = 0; i < 100; ++i) add_step(index, std::to_string(i), i);
        trim(index, 3000);
        CHECK(index.steps.size() < 30);
        CHECK(index.steps.size() > 5);
        CHECK(index.steps.contains(sha256("key 99")));
        CHECK(!index.steps.contains(sha256("key 0")));
        CHECK(index.packs.size() == index.steps.size());
        CHECK(index.layers.size() == index.steps.size());
    }
}
