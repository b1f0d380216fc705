// SPDX-License-Identifier: Apache-2.0
#include "cache/store/index_check.hpp"

#include "cache/step_content.hpp"
#include "cache/store/index.hpp"
#include "support/compression.hpp"

#include <cmath>
#include <map>

namespace dbuild::cache::store {
Result<IndexCheck> IndexCheck::open(const std::filesystem::path& root) {
    DBUILD_TRY_ASSIGN(auto database, Database::open(root));
    return IndexCheck(std::move(database));
}

Result<std::vector<std::string>> IndexCheck::structure() {
    DBUILD_TRY_ASSIGN(auto query, database_.query("PRAGMA integrity_check"));
    std::vector<std::string> problems;
    for (;;) {
        DBUILD_TRY_ASSIGN(const bool is_row, query.step());
        if (!is_row) return problems;
        if (query.bytes(0) != "ok") problems.emplace_back(query.bytes(0));
    }
}

/// Out: how many of the pack's pieces have a row that says where they are in it. wrong — how many have one that lies.
Result<std::uint64_t> IndexCheck::count_right_pieces(std::uint64_t pack, const PackTables& tables,
                                                     std::uint64_t& wrong) {
    DBUILD_TRY_ASSIGN(auto query,
                      database_.query("SELECT block, start, length FROM piece WHERE hash = ? AND pack = ?"));
    std::uint64_t right = 0;
    for (const auto& piece : tables.pieces) {
        DBUILD_TRY_ASSIGN(const bool is_row, query.bind(piece.hash).bind(pack).step());
        const bool is_right = is_row && query.integer(0) == piece.block && query.integer(1) == piece.start &&
                              query.integer(2) == piece.length;
        if (is_row) ++(is_right ? right : wrong);
        query.reset();
    }
    return right;
}

/// Whether prune knows of every pack that this layer cannot be restored without.
Result<bool> IndexCheck::has_needs_of(std::uint64_t pack, const PackedLayer& layer) {
    std::map<Digest, std::uint64_t> listed;
    DBUILD_TRY_ASSIGN(auto query,
                      database_.query("SELECT CASE pack.id WHEN ? THEN zeroblob(32) ELSE name END, need.raw_bytes FROM "
                                      "packed_layer_needs need JOIN pack ON pack.id = need.pack WHERE diff_id = ?"));
    query.bind(pack).bind(layer.diff_id);
    for (;;) {
        DBUILD_TRY_ASSIGN(const bool is_row, query.step());
        if (!is_row) break;
        listed[query.digest(0)] = query.integer(1);
    }
    std::map<Digest, std::uint64_t> needed;
    for (const auto& need : layer.packs) needed[need.pack] = need.raw_bytes;
    return listed == needed;
}

Result<std::string> IndexCheck::problem_with_pack(const Digest& name, std::uint64_t bytes, const PackTables& tables) {
    database_.begin_reading(); // a repacking process moves rows
    auto problem = problem_now(name, bytes, tables);
    database_.end_reading();
    return problem;
}

Result<std::string> IndexCheck::problem_now(const Digest& name, std::uint64_t bytes, const PackTables& tables) {
    DBUILD_TRY_ASSIGN(auto listed, database_.query("SELECT id, bytes, raw_bytes FROM pack WHERE name = ?"));
    DBUILD_TRY_ASSIGN(const bool is_listed, listed.bind(name).step());
    if (!is_listed) return std::string(); // removed by another process meanwhile
    const auto id = listed.integer(0);
    std::uint64_t raw_bytes = 0, wrong = 0;
    for (const auto& piece : tables.pieces) raw_bytes += piece.length;
    if (listed.integer(1) != bytes || listed.integer(2) != raw_bytes)
        return std::string("the index has another size of it");

    DBUILD_TRY_ASSIGN(const auto right, count_right_pieces(id, tables, wrong));
    DBUILD_TRY_ASSIGN(auto count, database_.query("SELECT COUNT(*) FROM piece WHERE pack = ?"));
    DBUILD_TRY(count.bind(id).step());
    if (wrong > 0 || count.integer(0) != right)
        return std::string("the index has pieces elsewhere than they are in it");

    DBUILD_TRY_ASSIGN(auto is_here, database_.query("SELECT 1 FROM packed_layer WHERE diff_id = ? AND pack = ?"));
    for (const auto& layer : tables.layers) {
        DBUILD_TRY_ASSIGN(const bool is_row, is_here.bind(layer.diff_id).bind(id).step());
        is_here.reset();
        if (!is_row) continue; // evicted, or a newer pack has it
        DBUILD_TRY_ASSIGN(const bool is_right, has_needs_of(id, layer));
        if (!is_right) return "the index lacks what its layer " + layer.diff_id.to_string() + " needs";
    }
    return std::string();
}

Result<std::vector<Digest>> IndexCheck::layers_without_pack() {
    DBUILD_TRY_ASSIGN(
        auto query, database_.query("SELECT diff_id FROM packed_layer WHERE pack NOT IN (SELECT id FROM pack) UNION "
                                    "SELECT diff_id FROM packed_layer_needs WHERE pack NOT IN (SELECT id FROM pack)"));
    return digests(query);
}

Result<std::vector<Digest>> IndexCheck::damaged_contents() {
    DBUILD_TRY_ASSIGN(auto query, database_.query("SELECT diff_id, contents FROM layer"));
    std::vector<Digest> damaged;
    for (;;) {
        DBUILD_TRY_ASSIGN(const bool is_row, query.step());
        if (!is_row) return damaged;
        if (!unpack_contents(query.bytes(1))) damaged.push_back(query.digest(0));
    }
}

Result<std::string> IndexCheck::problem_with_layer(const oci::LayerScan& scan) {
    DBUILD_TRY_ASSIGN(auto query, database_.query("SELECT size, contents FROM layer WHERE diff_id = ?"));
    DBUILD_TRY_ASSIGN(const bool is_row, query.bind(scan.diff_id).step());
    if (!is_row) return std::string();
    if (query.integer(0) != scan.size) return std::string("the index has another size of it");
    const auto contents = unpack_contents(query.bytes(1));
    if (!contents) return std::string("its table of contents is damaged");
    if (oci::encode(*contents) != oci::encode(scan.contents))
        return std::string("its table of contents is not what is in it");
    return std::string();
}

Result<std::vector<Digest>> IndexCheck::steps_of_other_content(const oci::LayerScan& scan) {
    DBUILD_TRY_ASSIGN(auto query, database_.query("SELECT key, content_id, ingredients, created, wall_ms FROM step "
                                                  "WHERE diff_id = ?"));
    query.bind(scan.diff_id);
    std::vector<Digest> keys;
    for (;;) {
        DBUILD_TRY_ASSIGN(const bool is_row, query.step());
        if (!is_row) return keys;
        const auto finished = parse_rfc3339(query.bytes(3));
        const std::chrono::nanoseconds wall(std::llround(query.real(4) * 1e6));
        if (!finished ||
            content_id_of_step(query.bytes(2), scan.contents, *finished - wall, *finished) != query.digest(1))
            keys.push_back(query.digest(0));
    }
}

Status IndexCheck::correct_contents(const oci::LayerScan& scan) {
    DBUILD_TRY_ASSIGN(const auto packed, zstd_compress(oci::encode(scan.contents)));
    return database_.write([&]() -> Status {
        DBUILD_TRY_ASSIGN(auto update, database_.query("UPDATE layer SET size = ?, contents = ? WHERE diff_id = ?"));
        return update.bind(scan.size).bind_blob(packed).bind(scan.diff_id).run();
    });
}

Status IndexCheck::forget_contents(std::span<const Digest> diff_ids) {
    return delete_each("DELETE FROM layer WHERE diff_id = ?", diff_ids);
}

Status IndexCheck::forget_steps(std::span<const Digest> keys) {
    return delete_each("DELETE FROM step WHERE key = ?", keys);
}

Status IndexCheck::delete_each(std::string_view sql, std::span<const Digest> digests) {
    return database_.write([&]() -> Status {
        DBUILD_TRY_ASSIGN(auto forget, database_.query(sql));
        for (const auto& digest : digests) {
            DBUILD_TRY(forget.bind(digest).run());
            forget.reset();
        }
        return {};
    });
}

} // namespace dbuild::cache::store
