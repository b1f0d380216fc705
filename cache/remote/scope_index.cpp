// SPDX-License-Identifier: Apache-2.0
#include "cache/remote/scope_index.hpp"

#include "cache/oci/image.hpp"
#include "cache/store/database.hpp"
#include "support/compression.hpp"
#include "support/time.hpp"

#include <algorithm>
#include <cmath>

namespace dbuild::cache::remote {
namespace {

using store::Database;
using store::PackTable;
using store::PackTables;
using store::Query;

// Times are seconds since 1970 unless they are texts; `blocks` and `layers` of a pack are the tables of its file.
constexpr std::string_view k_schema = R"(
CREATE TABLE step (key BLOB PRIMARY KEY, diff_id BLOB NOT NULL, content_id BLOB NOT NULL, created TEXT NOT NULL,
    wall_ms REAL NOT NULL, ingredients TEXT NOT NULL, parent BLOB NOT NULL, used INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE layer (diff_id BLOB PRIMARY KEY, size INTEGER NOT NULL, contents BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE base_image (id TEXT PRIMARY KEY, config TEXT NOT NULL, manifest TEXT NOT NULL, used INTEGER NOT NULL)
    WITHOUT ROWID;
CREATE TABLE pack (name BLOB PRIMARY KEY, bytes INTEGER NOT NULL, blocks BLOB NOT NULL, layers BLOB NOT NULL)
    WITHOUT ROWID;
PRAGMA user_version=1;
)";
constexpr std::uint64_t k_version = 1;
constexpr std::size_t k_max_index_bytes = std::size_t{1} << 28;    // uncompressed; more is no index of ours
constexpr std::size_t k_max_contents_bytes = std::size_t{1} << 30; // of one table of contents, uncompressed
constexpr std::size_t k_max_bases = 64;
constexpr int k_level = 9; // read by every build, written seldom

std::uint64_t as_stored(std::int64_t seconds) { return static_cast<std::uint64_t>(seconds); }

tl::unexpected<Error> bad(const std::string& what) { return fail(ErrorKind::corrupt, "published index: " + what); }

Status write_rows(const ScopeIndex& index, Database& database) {
    for (const auto& [key, step] : index.steps) {
        DBUILD_TRY_ASSIGN(auto insert, database.query("INSERT INTO step VALUES(?,?,?,?,?,?,?,?)"));
        const auto& record = step.record;
        DBUILD_TRY(insert.bind(key)
                       .bind(record.diff_id)
                       .bind(record.content_id)
                       .bind(record.created)
                       .bind(record.wall_ms)
                       .bind(record.ingredients)
                       .bind(record.parent)
                       .bind(as_stored(step.used))
                       .run());
    }
    for (const auto& [diff_id, layer] : index.layers) {
        DBUILD_TRY_ASSIGN(auto insert, database.query("INSERT INTO layer VALUES(?,?,?)"));
        DBUILD_TRY(insert.bind(diff_id).bind(layer.size).bind_blob(layer.contents).run());
    }
    for (const auto& [id, base] : index.bases) {
        DBUILD_TRY_ASSIGN(auto insert, database.query("INSERT INTO base_image VALUES(?,?,?,?)"));
        DBUILD_TRY(
            insert.bind(id).bind(base.record.config).bind(base.record.manifest).bind(as_stored(base.used)).run());
    }
    for (const auto& [name, pack] : index.packs) {
        const PackTables tables{pack.blocks, pack.layers, {}, {}};
        DBUILD_TRY_ASSIGN(auto insert, database.query("INSERT INTO pack VALUES(?,?,?,?)"));
        DBUILD_TRY(insert.bind(name)
                       .bind(pack.bytes)
                       .bind_blob(store::encode_table(tables, PackTable::blocks))
                       .bind_blob(store::encode_table(tables, PackTable::layers))
                       .run());
    }
    return {};
}

/// Hands each row of a table to `read`.
Status each_row(Database& database, std::string_view select, const std::function<Status(Query&)>& read) {
    DBUILD_TRY_ASSIGN(auto rows, database.query(select));
    for (;;) {
        DBUILD_TRY_ASSIGN(const bool found, rows.step());
        if (!found) return {};
        DBUILD_TRY(read(rows));
    }
}

Status read_step(Query& row, ScopeIndex& index) {
    ScopeIndex::Step step;
    step.record.key = {row.digest(0)};
    step.record.diff_id = row.digest(1);
    step.record.content_id = row.digest(2);
    step.record.created = row.bytes(3);
    step.record.wall_ms = row.real(4);
    step.record.ingredients = row.bytes(5);
    step.record.parent = row.digest(6);
    step.used = static_cast<std::int64_t>(row.integer(7));
    const auto& record = step.record;
    const bool is_good = !record.key.digest.is_zero() && !record.diff_id.is_zero() && !record.content_id.is_zero() &&
                         parse_rfc3339(record.created) && std::isfinite(record.wall_ms) && record.wall_ms >= 0;
    if (!is_good) return bad("a step is none");
    index.steps.emplace(record.key.digest, std::move(step));
    return {};
}

Status read_layer(Query& row, ScopeIndex& index) {
    store::PublishedLayer layer{row.digest(0), row.integer(1), std::string(row.bytes(2))};
    DBUILD_TRY_ASSIGN(const auto encoded, zstd_decompress(layer.contents, k_max_contents_bytes));
    DBUILD_TRY(oci::decode_contents(encoded));
    index.layers.emplace(layer.diff_id, std::move(layer));
    return {};
}

Status read_base(Query& row, ScopeIndex& index) {
    ScopeIndex::Base base;
    base.record = {std::string(row.bytes(0)), std::string(row.bytes(1)), std::string(row.bytes(2))};
    base.used = static_cast<std::int64_t>(row.integer(3));
    DBUILD_TRY(oci::ImageConfig::parse(base.record.config));
    DBUILD_TRY(oci::Manifest::parse(base.record.manifest));
    index.bases.emplace(base.record.id, std::move(base));
    return {};
}

Status read_pack(Query& row, ScopeIndex& index) {
    ScopeIndex::Pack pack;
    pack.bytes = row.integer(1);
    PackTables tables;
    DBUILD_TRY(store::decode_table(row.bytes(2), PackTable::blocks, tables));
    DBUILD_TRY(store::decode_table(row.bytes(3), PackTable::layers, tables));
    if (!tables.blocks.empty() && tables.blocks.back().offset + tables.blocks.back().stored_bytes > pack.bytes)
        return bad("a pack is longer than its file");
    pack.blocks = std::move(tables.blocks);
    pack.layers = std::move(tables.layers);
    index.packs.emplace(row.digest(0), std::move(pack));
    return {};
}

std::uint64_t row_bytes(const ScopeIndex& index, const ScopeIndex::Step& step) {
    const auto layer = index.layers.find(step.record.diff_id);
    return step.record.ingredients.size() + 4 * Digest::k_size +
           (layer == index.layers.end() ? 0 : layer->second.contents.size());
}

/// The layers of the bases, whose descriptions are needed without a step that made them.
void add_base_layers(const ScopeIndex& index, std::set<Digest>& layers) {
    for (const auto& [id, base] : index.bases)
        if (const auto config = oci::ImageConfig::parse(base.record.config))
            layers.insert(config->diff_ids.begin(), config->diff_ids.end());
}

/// What a kept step, a kept base or a kept pack refers to stays.
void remove_unreferenced(ScopeIndex& index) {
    std::set<Digest> layers;
    for (const auto& [key, step] : index.steps) layers.insert(step.record.diff_id);
    std::set<Digest> packs;
    for (const auto& [diff_id, place] : restorable_layers(index)) {
        if (!layers.contains(diff_id)) continue;
        packs.insert(place.pack);
        for (const auto& need : place.layer->packs)
            if (!need.pack.is_zero()) packs.insert(need.pack);
    }
    add_base_layers(index, layers);
    std::erase_if(index.layers, [&](const auto& layer) { return !layers.contains(layer.first); });
    std::erase_if(index.packs, [&](const auto& pack) { return !packs.contains(pack.first); });
}

template <class Map>
std::vector<typename Map::key_type> by_last_use(const Map& map) {
    std::vector<typename Map::key_type> keys;
    for (const auto& [key, value] : map) keys.push_back(key);
    std::stable_sort(keys.begin(), keys.end(),
                     [&](const auto& a, const auto& b) { return map.at(a).used > map.at(b).used; });
    return keys;
}

} // namespace

std::string_view scope_index_schema() { return k_schema; }

Result<std::string> encode(const ScopeIndex& index) {
    DBUILD_TRY_ASSIGN(auto database, Database::create_in_memory(std::string(k_schema)));
    DBUILD_TRY(database.write([&] { return write_rows(index, database); }));
    DBUILD_TRY_ASSIGN(const auto bytes, database.to_bytes());
    return zstd_compress(bytes, k_level);
}

Result<ScopeIndex> decode(std::string_view bytes) {
    DBUILD_TRY_ASSIGN(const auto file, zstd_decompress(bytes, k_max_index_bytes));
    DBUILD_TRY_ASSIGN(auto database, Database::read_foreign(file, std::string(k_schema), k_version));
    ScopeIndex index;
    const auto read = [&](std::string_view select, Status (*row)(Query&, ScopeIndex&)) {
        return each_row(database, select, [&](Query& query) { return row(query, index); });
    };
    DBUILD_TRY(
        read("SELECT key, diff_id, content_id, created, wall_ms, ingredients, parent, used FROM step", read_step));
    DBUILD_TRY(read("SELECT diff_id, size, contents FROM layer", read_layer));
    DBUILD_TRY(read("SELECT id, config, manifest, used FROM base_image", read_base));
    DBUILD_TRY(read("SELECT name, bytes, blocks, layers FROM pack", read_pack));
    return index;
}

std::map<Digest, LayerPlace> restorable_layers(const ScopeIndex& index) {
    std::map<Digest, LayerPlace> places;
    for (const auto& [name, pack] : index.packs)
        for (const auto& layer : pack.layers) {
            const bool is_whole = std::all_of(layer.packs.begin(), layer.packs.end(), [&](const auto& need) {
                return need.pack.is_zero() || index.packs.contains(need.pack);
            });
            if (is_whole) places.emplace(layer.diff_id, LayerPlace{name, &layer});
        }
    return places;
}

void merge(ScopeIndex& index, const ScopeIndex& added, const std::set<Digest>& replaced) {
    for (const auto& [key, step] : added.steps) {
        auto& kept = index.steps.try_emplace(key, step).first->second;
        const auto used = std::max(kept.used, step.used);
        if (replaced.contains(key)) kept = step;
        kept.used = used;
    }
    for (const auto& [diff_id, layer] : added.layers) index.layers.try_emplace(diff_id, layer);
    for (const auto& [id, base] : added.bases) {
        auto& kept = index.bases.try_emplace(id, base).first->second;
        kept.used = std::max(kept.used, base.used);
    }
    for (const auto& [name, pack] : added.packs) index.packs.try_emplace(name, pack);
}

void forget_packs(ScopeIndex& index, const std::set<Digest>& gone) {
    std::erase_if(index.packs, [&](const auto& pack) { return gone.contains(pack.first); });
    const auto places = restorable_layers(index);
    std::erase_if(index.steps, [&](const auto& step) { return !places.contains(step.second.record.diff_id); });
    remove_unreferenced(index);
}

void trim(ScopeIndex& index, std::uint64_t max_bytes) {
    std::uint64_t bytes = 0;
    for (const auto& key : by_last_use(index.steps)) {
        bytes += row_bytes(index, index.steps.at(key));
        if (bytes > max_bytes) index.steps.erase(key);
    }
    const auto bases = by_last_use(index.bases);
    for (std::size_t i = k_max_bases; i < bases.size(); ++i) index.bases.erase(bases[i]);
    remove_unreferenced(index);
}

} // namespace dbuild::cache::remote
