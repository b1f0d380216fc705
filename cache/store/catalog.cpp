// SPDX-License-Identifier: Apache-2.0
#include "cache/store/catalog.hpp"

#include <algorithm>
#include <chrono>
#include <functional>

namespace dbuild::cache::store {
namespace {

constexpr std::string_view k_select_packs =
    "SELECT pack.id, name, pack.bytes, pack.raw_bytes, pack.created, COALESCE(SUM(need.raw_bytes), 0), "
    "COUNT(need.diff_id) "
    "FROM pack LEFT JOIN packed_layer_needs need ON need.pack = pack.id GROUP BY pack.id ORDER BY pack.id";
constexpr std::string_view k_select_packs_of_layer =
    "SELECT pack.id, name, pack.bytes, pack.raw_bytes, pack.created, need.raw_bytes, 1 "
    "FROM packed_layer_needs need JOIN pack ON pack.id = need.pack JOIN packed_layer packed ON packed.diff_id = "
    "need.diff_id "
    "WHERE need.diff_id = ? AND packed.doomed = 0";

Result<std::vector<CatalogPack>> read_packs(Query& query) {
    std::vector<CatalogPack> packs;
    for (;;) {
        DBUILD_TRY_ASSIGN(const bool found, query.step());
        if (!found) return packs;
        packs.push_back({query.integer(0), query.digest(1), query.integer(2), query.integer(3), query.integer(5),
                         query.integer(6), static_cast<std::int64_t>(query.integer(4))});
    }
}

std::uint64_t as_stored(std::int64_t seconds) { return static_cast<std::uint64_t>(seconds); }

Status insert_pieces(Database& database, std::uint64_t pack, std::vector<PackedPiece> pieces) {
    // In the order of the table: twice as fast. The newest copy of a piece counts, or old packs would never run empty.
    std::sort(pieces.begin(), pieces.end(), [](const auto& a, const auto& b) { return a.hash < b.hash; });
    DBUILD_TRY_ASSIGN(
        auto insert,
        database.query("INSERT OR REPLACE INTO piece(hash, pack, block, start, length) VALUES(?,?,?,?,?)"));
    for (const auto& piece : pieces) {
        DBUILD_TRY(insert.bind(piece.hash)
                       .bind(pack)
                       .bind(std::uint64_t{piece.block})
                       .bind(std::uint64_t{piece.start})
                       .bind(std::uint64_t{piece.length})
                       .run());
        insert.reset();
    }
    return {};
}

/// Out: false — a pack that the layer needs is not there.
Result<bool> insert_layer(Database& database, std::uint64_t own_pack, const PackedLayer& layer) {
    std::vector<std::uint64_t> needed;
    for (const auto& need : layer.packs) {
        auto id = std::optional(own_pack);
        if (!need.pack.is_zero()) {
            DBUILD_TRY_ASSIGN(id, pack_id(database, need.pack));
        }
        if (!id) return false;
        needed.push_back(*id);
    }
    DBUILD_TRY_ASSIGN(auto forget, database.query("DELETE FROM packed_layer_needs WHERE diff_id = ?"));
    DBUILD_TRY(forget.bind(layer.diff_id).run());
    DBUILD_TRY_ASSIGN(
        auto insert,
        database.query("INSERT OR REPLACE INTO packed_layer(diff_id, pack, created, used) VALUES(?,?,?,?)"));
    const auto now = as_stored(unix_seconds());
    DBUILD_TRY(insert.bind(layer.diff_id).bind(own_pack).bind(now).bind(now).run());
    DBUILD_TRY_ASSIGN(auto need,
                      database.query("INSERT INTO packed_layer_needs(diff_id, pack, raw_bytes) VALUES(?,?,?)"));
    for (std::size_t i = 0; i < needed.size(); ++i) {
        DBUILD_TRY(need.bind(layer.diff_id).bind(needed[i]).bind(layer.packs[i].raw_bytes).run());
        need.reset();
    }
    return true;
}

// When it was used last is not in packs: it counts as used now.
Status insert_step(Database& database, const PackedStep& step) {
    DBUILD_TRY_ASSIGN(
        auto insert, database.query("INSERT INTO step(key, diff_id, content_id, created, wall_ms, ingredients, parent) "
                                    "VALUES(?,?,?,?,?,?,?) ON CONFLICT(key) DO NOTHING"));
    DBUILD_TRY(insert.bind(step.key)
                   .bind(step.diff_id)
                   .bind(step.content_id)
                   .bind(step.created)
                   .bind(static_cast<double>(step.wall_us) / 1000)
                   .bind(step.ingredients)
                   .bind(step.parent)
                   .run());
    for (const auto& scope : step.scopes) {
        DBUILD_TRY_ASSIGN(auto use, database.query("INSERT OR IGNORE INTO scope_step(scope, key, used) VALUES(?,?,?)"));
        DBUILD_TRY(use.bind(scope).bind(step.key).bind(as_stored(unix_seconds())).run());
    }
    return {};
}

/// The first column of all rows.
Result<std::vector<std::string>> texts(Database& database, std::string_view sql,
                                       const std::function<void(Query&)>& bind) {
    DBUILD_TRY_ASSIGN(auto query, database.query(sql));
    bind(query);
    std::vector<std::string> found;
    for (;;) {
        DBUILD_TRY_ASSIGN(const bool is_row, query.step());
        if (!is_row) return found;
        found.emplace_back(query.bytes(0));
    }
}

} // namespace

std::int64_t unix_seconds() {
    return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
        .count();
}

Status Catalog::open() {
    DBUILD_TRY(access());
    return {};
}

Result<Catalog::Access> Catalog::access() {
    std::unique_lock lock(state_->mutex);
    if (!state_->database) {
        DBUILD_TRY_ASSIGN(auto opened, Database::open(state_->root));
        state_->database.emplace(std::move(opened));
    }
    return Access{std::move(lock), &*state_->database};
}

bool Catalog::is_private() {
    const auto database = access();
    return !database || (*database)->is_private();
}

Result<std::uint64_t> Catalog::index_bytes() {
    DBUILD_TRY_ASSIGN(const auto database, access());
    return database->bytes();
}

std::vector<std::string> Catalog::take_warnings() {
    const std::lock_guard lock(state_->mutex);
    return state_->database ? state_->database->take_warnings() : std::vector<std::string>();
}

Result<std::optional<std::uint64_t>> pack_id(Database& database, const Digest& name) {
    DBUILD_TRY_ASSIGN(auto query, database.query("SELECT id FROM pack WHERE name = ?"));
    DBUILD_TRY_ASSIGN(const bool found, query.bind(name).step());
    return found ? std::optional(query.integer(0)) : std::nullopt;
}

Result<std::optional<CatalogPiece>> Catalog::find_piece(const Digest& hash) {
    DBUILD_TRY_ASSIGN(const auto database, access());
    DBUILD_TRY_ASSIGN(
        auto query,
        database->query("SELECT name, block, start, length FROM piece JOIN pack ON id = pack WHERE hash = ?"));
    DBUILD_TRY_ASSIGN(const bool found, query.bind(hash).step());
    if (!found) return std::nullopt;
    return CatalogPiece{query.digest(0), static_cast<std::uint32_t>(query.integer(1)),
                        static_cast<std::uint32_t>(query.integer(2)), static_cast<std::uint32_t>(query.integer(3))};
}

Result<std::optional<Digest>> Catalog::find_layer(const Digest& diff_id) {
    DBUILD_TRY_ASSIGN(const auto database, access());
    DBUILD_TRY_ASSIGN(auto query,
                      database->query("SELECT name FROM packed_layer JOIN pack ON id = pack WHERE diff_id = ?"));
    DBUILD_TRY_ASSIGN(const bool found, query.bind(diff_id).step());
    return found ? std::optional(query.digest(0)) : std::nullopt;
}

Result<std::vector<CatalogPack>> Catalog::packs_of(const Digest& diff_id) {
    DBUILD_TRY_ASSIGN(const auto database, access());
    DBUILD_TRY_ASSIGN(auto query, database->query(k_select_packs_of_layer));
    query.bind(diff_id);
    return read_packs(query);
}

Result<std::vector<CatalogPack>> Catalog::packs() {
    DBUILD_TRY_ASSIGN(const auto database, access());
    DBUILD_TRY_ASSIGN(auto query, database->query(k_select_packs));
    return read_packs(query);
}

Result<std::vector<CatalogLayer>> Catalog::layers() {
    DBUILD_TRY_ASSIGN(const auto database, access());
    // The last use by a step counts as well: a build that only hits reads no layer.
    DBUILD_TRY_ASSIGN(
        auto query, database->query("SELECT packed.diff_id, name, COALESCE(layer.size, 0), packed.created, "
                                    "MAX(packed.used, COALESCE((SELECT MAX(scope_step.used) FROM step JOIN scope_step "
                                    "ON scope_step.key = step.key WHERE step.diff_id = packed.diff_id), 0)) "
                                    "FROM packed_layer packed JOIN pack ON pack.id = packed.pack "
                                    "LEFT JOIN layer ON layer.diff_id = packed.diff_id ORDER BY packed.created"));
    std::vector<CatalogLayer> layers;
    for (;;) {
        DBUILD_TRY_ASSIGN(const bool found, query.step());
        if (!found) break;
        layers.push_back({query.digest(0),
                          query.digest(1),
                          query.integer(2),
                          static_cast<std::int64_t>(query.integer(3)),
                          static_cast<std::int64_t>(query.integer(4)),
                          {}});
    }
    for (auto& layer : layers) {
        DBUILD_TRY_ASSIGN(auto needs, database->query("SELECT pack.name, need.raw_bytes FROM packed_layer_needs need "
                                                      "JOIN pack ON pack.id = need.pack WHERE diff_id = ?"));
        needs.bind(layer.diff_id);
        for (;;) {
            DBUILD_TRY_ASSIGN(const bool found, needs.step());
            if (!found) break;
            layer.needs.push_back({needs.digest(0), needs.integer(1)});
        }
    }
    return layers;
}

Result<std::vector<PackedStep>> Catalog::steps_of(std::span<const PackedLayer> layers) {
    DBUILD_TRY_ASSIGN(const auto database, access());
    DBUILD_TRY_ASSIGN(auto query, database->query("SELECT key, diff_id, content_id, created, ingredients, wall_ms, "
                                                  "parent FROM step WHERE diff_id = ?"));
    std::vector<PackedStep> steps;
    for (const auto& layer : layers) {
        query.bind(layer.diff_id);
        for (;;) {
            DBUILD_TRY_ASSIGN(const bool found, query.step());
            if (!found) break;
            steps.push_back({query.digest(0),
                             query.digest(1),
                             query.digest(2),
                             std::string(query.bytes(3)),
                             std::string(query.bytes(4)),
                             static_cast<std::uint64_t>(std::max(query.real(5), 0.0) * 1000),
                             query.digest(6),
                             {}});
        }
        query.reset();
    }
    for (auto& step : steps) {
        DBUILD_TRY_ASSIGN(step.scopes, texts(*database, "SELECT scope FROM scope_step WHERE key = ? ORDER BY scope",
                                             [&](Query& scopes) { scopes.bind(step.key); }));
    }
    return steps;
}

Result<std::vector<Digest>> Catalog::record_pack(const PackWriter::Finished& pack) {
    DBUILD_TRY_ASSIGN(const auto database, access());
    std::vector<Digest> left_out;
    Status done = database->write([&]() -> Status {
        left_out.clear();
        std::error_code unseen;
        if (!std::filesystem::exists(pack_path(state_->root, pack.name), unseen)) { // prune removed one of that name
            for (const auto& layer : pack.tables.layers) left_out.push_back(layer.diff_id);
            return {};
        }
        std::uint64_t raw_bytes = 0;
        for (const auto& piece : pack.tables.pieces) raw_bytes += piece.length;
        DBUILD_TRY_ASSIGN(
            auto insert,
            database->query("INSERT INTO pack(name, bytes, raw_bytes, created) VALUES(?,?,?,?) "
                            "ON CONFLICT(name) DO UPDATE SET bytes = excluded.bytes, raw_bytes = excluded.raw_bytes"));
        DBUILD_TRY(insert.bind(pack.name).bind(pack.bytes).bind(raw_bytes).bind(as_stored(unix_seconds())).run());
        DBUILD_TRY_ASSIGN(const auto id, pack_id(*database, pack.name));
        DBUILD_TRY(insert_pieces(*database, *id, pack.tables.pieces));
        for (const auto& layer : pack.tables.layers) {
            DBUILD_TRY_ASSIGN(const bool is_inserted, insert_layer(*database, *id, layer));
            if (!is_inserted) left_out.push_back(layer.diff_id);
        }
        return {};
    });
    DBUILD_TRY(std::move(done));
    return left_out;
}

Status Catalog::record_steps(std::span<const PackedStep> steps) {
    DBUILD_TRY_ASSIGN(const auto database, access());
    return database->write([&]() -> Status {
        for (const auto& step : steps) DBUILD_TRY(insert_step(*database, step));
        return {};
    });
}

Status Catalog::touch_layer(const Digest& diff_id) {
    DBUILD_TRY_ASSIGN(const auto database, access());
    const auto now = unix_seconds();
    {
        DBUILD_TRY_ASSIGN(auto query, database->query("SELECT used FROM packed_layer WHERE diff_id = ?"));
        DBUILD_TRY_ASSIGN(const bool found, query.bind(diff_id).step());
        if (!found || static_cast<std::int64_t>(query.integer(0)) + k_use_resolution_seconds > now) return {};
    }
    return database->write([&]() -> Status {
        DBUILD_TRY_ASSIGN(auto update, database->query("UPDATE packed_layer SET used = ? WHERE diff_id = ?"));
        return update.bind(as_stored(now)).bind(diff_id).run();
    });
}

} // namespace dbuild::cache::store
