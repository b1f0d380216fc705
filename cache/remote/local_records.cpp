// SPDX-License-Identifier: Apache-2.0
#include "cache/remote/local_records.hpp"

#include "cache/oci/image.hpp"
#include "cache/store/catalog.hpp"
#include "cache/store/database.hpp"

namespace fs = std::filesystem;

namespace dbuild::cache::remote {
namespace {

using store::Database;

Status add_step(Database& database, const Digest& key, ScopeIndex& index) {
    DBUILD_TRY_ASSIGN(auto row, database.query("SELECT diff_id, content_id, created, wall_ms, ingredients, parent "
                                               "FROM step WHERE key = ?"));
    DBUILD_TRY_ASSIGN(const bool found, row.bind(key).step());
    if (!found) return {};
    ScopeIndex::Step step;
    step.record = {{key},
                   row.digest(0),
                   row.digest(1),
                   0,
                   std::string(row.bytes(2)),
                   row.real(3),
                   std::string(row.bytes(4)),
                   row.digest(5)};
    step.used = store::unix_seconds();
    index.steps.emplace(key, std::move(step));
    return {};
}

Status add_layer(Database& database, const Digest& diff_id, ScopeIndex& index) {
    DBUILD_TRY_ASSIGN(auto row, database.query("SELECT size, contents FROM layer WHERE diff_id = ?"));
    DBUILD_TRY_ASSIGN(const bool found, row.bind(diff_id).step());
    if (found) index.layers.emplace(diff_id, store::PublishedLayer{diff_id, row.integer(0), std::string(row.bytes(1))});
    return {};
}

Status add_base(Database& database, const std::string& id, ScopeIndex& index) {
    std::string config;
    {
        DBUILD_TRY_ASSIGN(auto row, database.query("SELECT config, manifest FROM base_image WHERE id = ?"));
        DBUILD_TRY_ASSIGN(const bool found, row.bind(id).step());
        if (!found) return {};
        config = row.bytes(0);
        index.bases.emplace(id, ScopeIndex::Base{{id, config, std::string(row.bytes(1))}, store::unix_seconds()});
    }
    DBUILD_TRY_ASSIGN(const auto parsed, oci::ImageConfig::parse(config));
    for (const auto& diff_id : parsed.diff_ids) DBUILD_TRY(add_layer(database, diff_id, index));
    return {};
}

/// Out: false — a pack is gone, or damaged.
Result<bool> add_packs_of(const store::LayerStore& layers, const Digest& diff_id, LocalRecords& records) {
    DBUILD_TRY_ASSIGN(const auto packs, layers.catalog().packs_of(diff_id));
    for (const auto& pack : packs) {
        if (records.index.packs.contains(pack.name)) continue;
        const auto path = store::pack_path(layers.root(), pack.name);
        const auto reader = store::PackReader::open(path);
        if (!reader) return false;
        auto described = reader->read_layers();
        if (!described) return false;
        records.index.packs.emplace(pack.name,
                                    ScopeIndex::Pack{reader->bytes(), reader->blocks(), std::move(*described)});
        records.pack_files.emplace(pack.name, path);
    }
    return !packs.empty();
}

} // namespace

Result<LocalRecords> collect(const store::LayerStore& layers, const std::set<Digest>& steps,
                             const std::set<std::string>& bases) {
    LocalRecords records;
    DBUILD_TRY_ASSIGN(auto database, Database::open(layers.root()));
    for (const auto& key : steps) DBUILD_TRY(add_step(database, key, records.index));
    for (auto step = records.index.steps.begin(); step != records.index.steps.end();) {
        const auto diff_id = step->second.record.diff_id;
        DBUILD_TRY(add_layer(database, diff_id, records.index));
        DBUILD_TRY_ASSIGN(const bool is_packed, add_packs_of(layers, diff_id, records));
        step = is_packed && records.index.layers.contains(diff_id) ? std::next(step) : records.index.steps.erase(step);
    }
    for (const auto& id : bases) DBUILD_TRY(add_base(database, id, records.index));
    return records;
}

} // namespace dbuild::cache::remote
