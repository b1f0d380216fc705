// SPDX-License-Identifier: Apache-2.0
// Recipes and the tables of packs: what is written is read back, and damage is found.
#include "cache/store/recipe.hpp"

#include "cache/store/pack_format.hpp"

#include <doctest/doctest.h>

#include <random>

using namespace dbuild;
using namespace dbuild::cache::store;

namespace {

PackTables some_tables() {
    PackTables tables;
    tables.blocks = {{16, 100, 2000}, {116, 50, 50}};
    tables.pieces = {{sha256("a"), 0, 0, 1500}, {sha256("b"), 1, 10, 40}};
    tables.layers = {{sha256("layer"), 123'456'789'012, {{Digest(), 1500}, {sha256("older"), 40}}, {{0, 1}, {1, 7}}}};
    tables.steps = {
        {sha256("key"), sha256("layer"), sha256("content"), "2026-11-21T05:43:13Z", "kind=run\n", 1'250'000}};
    return tables;
}

} // namespace

TEST_SUITE_BEGIN("cache/recipe");

TEST_CASE("a recipe comes back part by part") {
    RecipeWriter writer;
    CHECK(writer.is_empty());
    writer.literal("head");
    writer.literal("er");
    writer.zeros(3);
    writer.zeros(4);
    writer.piece({1, 2, 3, 4});
    writer.piece({1, 2, 7, 100});
    writer.piece({1, 3, 0, 5});
    writer.literal("end");
    CHECK_FALSE(writer.is_empty());
    const auto segment = writer.take_segment();
    CHECK(writer.is_empty());
    const auto parts = read_segment(segment).value();
    REQUIRE(parts.size() == 6);
    CHECK(parts[0].bytes == "header");
    CHECK(parts[1].count == 7);
    CHECK(parts[2].piece.start == 3);
    CHECK(parts[3].piece.start == 7);
    CHECK(parts[3].piece.length == 100);
    CHECK(parts[4].piece.block == 3);
    CHECK(parts[5].bytes == "end");
}

TEST_CASE("the bytes of a recipe are fixed by the format") {
    RecipeWriter writer;
    writer.literal("ab");
    writer.piece({0, 0, 0, 300});
    writer.piece({2, 1, 5, 1});
    writer.zeros(512);
    // length 11; literal 2; next piece of 300; piece of 1 at pack 2, block 1, start 5; 512 zeros; then the literals
    CHECK(writer.take_segment() ==
          std::string("\x0a\x08\xb2\x09\x07\x02\x01\x05\x81\x10", 10).replace(0, 1, "\x09") + "ab");
}

TEST_CASE("a segment that is cut off or changed is corrupt or something else, never out of bounds") {
    RecipeWriter writer;
    writer.literal("some literal bytes");
    writer.piece({1, 2, 3, 4});
    writer.zeros(70000);
    const auto segment = writer.take_segment();
    for (std::size_t size = 0; size < segment.size(); ++size) {
        CAPTURE(size);
        CHECK((size == 0 || !read_segment(std::string_view(segment).substr(0, size))));
    }
    std::mt19937 random(1);
    for (int i = 0; i < 2000; ++i) {
        auto damaged = segment;
        damaged[random() % damaged.size()] = static_cast<char>(random());
        if (const auto parts = read_segment(damaged))
            for (const auto& part : *parts) CHECK(part.bytes.size() <= damaged.size());
    }
}

TEST_CASE("the tables of a pack come back") {
    const auto tables = some_tables();
    PackTables found;
    for (std::size_t i = 0; i < k_table_count; ++i) {
        const auto table = static_cast<PackTable>(i);
        REQUIRE(decode_table(encode_table(tables, table), table, found));
        CHECK(encode_table(found, table) == encode_table(tables, table));
    }
    CHECK(found.blocks[1].offset == 116);
    CHECK(found.layers[0].packs[1].pack == sha256("older"));
    CHECK(found.steps[0].ingredients == "kind=run\n");
}

TEST_CASE("tables that do not agree with each other are corrupt") {
    const auto damaged = [](auto change, PackTable table) {
        auto tables = some_tables();
        change(tables);
        auto known = some_tables();
        return !decode_table(encode_table(tables, table), table, known);
    };
    CHECK(damaged([](auto& t) { t.blocks[0].raw_bytes = (1u << 20) + 1; }, PackTable::blocks));
    CHECK(damaged([](auto& t) { t.blocks[0].stored_bytes = 2001; }, PackTable::blocks));
    CHECK(damaged([](auto& t) { t.blocks[0] = {}; }, PackTable::blocks));
    CHECK(damaged([](auto& t) { t.pieces[0].block = 2; }, PackTable::pieces));
    CHECK(damaged([](auto& t) { t.pieces[1].length = 41; }, PackTable::pieces));
    CHECK(damaged([](auto& t) { t.layers[0].recipe[0].pack = 2; }, PackTable::layers));
    CHECK(damaged([](auto& t) { t.layers[0].recipe[0].block = 2; }, PackTable::layers));
    PackTables none;
    CHECK_FALSE(decode_table("\xff\xff\xff\xff\x0f", PackTable::pieces, none)); // a count that nothing stands behind
    CHECK_FALSE(decode_table(encode_table(some_tables(), PackTable::steps) + "x", PackTable::steps, none));
}

TEST_CASE("a trailer comes back, and one that points out of the file is corrupt") {
    PackTrailer trailer;
    for (std::size_t i = 0; i < k_table_count; ++i)
        trailer.tables[i] = {16 + i * 10, 10, 99, sha256(std::to_string(i))};
    const auto bytes = encode_trailer(trailer);
    REQUIRE(bytes.size() == k_trailer_bytes);
    const auto found = decode_trailer(bytes, 56 + k_trailer_bytes);
    REQUIRE(found);
    CHECK(found->tables[3].hash == sha256("3"));
    CHECK_FALSE(decode_trailer(bytes, 55 + k_trailer_bytes));
    CHECK_FALSE(decode_trailer(bytes.substr(1), 1000));
    trailer.tables[0].raw_bytes = k_max_table_bytes + 1;
    CHECK_FALSE(decode_trailer(encode_trailer(trailer), 1000));
}

TEST_SUITE_END();
