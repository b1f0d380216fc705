// SPDX-License-Identifier: Apache-2.0
#include "cache/store/index.hpp"

#include "cache/store/catalog.hpp"
#include "support/compression.hpp"

#include <algorithm>

namespace dbuild::cache::store {
namespace {

constexpr std::size_t k_max_contents_bytes = std::size_t{1}
                                             << 30; // a table of contents above this is damage, not a layer

std::uint64_t now() { return static_cast<std::uint64_t>(unix_seconds()); }
bool is_recent(std::uint64_t used) { return used + static_cast<std::uint64_t>(k_use_resolution_seconds) > now(); }

} // namespace

Result<oci::TableOfContents> unpack_contents(std::string_view stored) {
    DBUILD_TRY_ASSIGN(const auto encoded, zstd_decompress(stored, k_max_contents_bytes));
    return oci::decode_contents(encoded);
}

Result<Index> Index::open(const std::filesystem::path& root) {
    DBUILD_TRY_ASSIGN(auto database, Database::open(root));
    return Index(std::move(database));
}

std::vector<std::string> Index::take_warnings() { return database_.take_warnings(); }
bool Index::is_private() const { return database_.is_private(); }
bool Index::was_damaged() const { return database_.was_damaged(); }

Result<std::optional<StepRecord>> Index::find_step(const StepKey& key) {
    DBUILD_TRY_ASSIGN(auto query,
                      database_.query("SELECT step.diff_id, content_id, layer.size, created, wall_ms, link FROM step "
                                      "JOIN layer ON layer.diff_id = step.diff_id WHERE key = ?"));
    DBUILD_TRY_ASSIGN(const bool found, query.bind(key.digest).step());
    if (!found) return std::nullopt;
    return StepRecord{
        key, query.digest(0), query.digest(1), query.integer(2), std::string(query.bytes(3)), query.real(4), {},
        {},  query.digest(5)};
}

Status Index::use_step(const StepKey& key, std::string_view scope) {
    DBUILD_TRY_ASSIGN(auto use, database_.query("INSERT INTO scope_step(scope, key, used) VALUES(?,?,?) "
                                                "ON CONFLICT(scope, key) DO UPDATE SET used = excluded.used"));
    return use.bind(scope).bind(key.digest).bind(now()).run();
}

Status Index::insert_step(const StepRecord& record, OnConflict on_conflict) {
    const std::string_view insert =
        on_conflict == OnConflict::replace
            ? "INSERT OR REPLACE INTO step(key, diff_id, content_id, created, wall_ms, ingredients, parent, link) "
              "VALUES(?,?,?,?,?,?,?,?)"
            : "INSERT INTO step(key, diff_id, content_id, created, wall_ms, ingredients, parent, link) "
              "VALUES(?,?,?,?,?,?,?,?) ON CONFLICT(key) DO NOTHING";
    DBUILD_TRY_ASSIGN(auto query, database_.query(insert));
    return query.bind(record.key.digest)
        .bind(record.diff_id)
        .bind(record.content_id)
        .bind(record.created)
        .bind(record.wall_ms)
        .bind(record.ingredients)
        .bind(record.parent)
        .bind(record.link)
        .run();
}

Status Index::record_steps(std::span<const StepRecord> records, std::string_view scope, OnConflict on_conflict) {
    return database_.write([&]() -> Status {
        for (const auto& record : records) {
            DBUILD_TRY(insert_step(record, on_conflict));
            DBUILD_TRY(use_step(record.key, scope));
        }
        return {};
    });
}

Result<std::vector<Digest>> Index::record_published(std::span<const StepRecord> steps,
                                                    std::span<const PublishedLayer> layers,
                                                    std::span<const BaseRecord> bases, OnConflict on_conflict) {
    std::vector<Digest> new_layers;
    Status done = database_.write([&]() -> Status {
        new_layers.clear();
        for (const auto& layer : layers) {
            DBUILD_TRY_ASSIGN(auto known, database_.query("SELECT 1 FROM layer WHERE diff_id = ?"));
            DBUILD_TRY_ASSIGN(const bool is_known, known.bind(layer.diff_id).step());
            if (is_known) continue;
            DBUILD_TRY_ASSIGN(auto insert,
                              database_.query("INSERT INTO layer(diff_id, size, contents, made_in_process) "
                                              "VALUES(?,?,?,1)"));
            DBUILD_TRY(insert.bind(layer.diff_id).bind(layer.size).bind_blob(layer.contents).run());
            new_layers.push_back(layer.diff_id);
        }
        for (const auto& base : bases) {
            DBUILD_TRY_ASSIGN(auto insert,
                              database_.query("INSERT OR IGNORE INTO base_image(id, config, manifest, used) "
                                              "VALUES(?,?,?,?)"));
            DBUILD_TRY(insert.bind(base.id).bind(base.config).bind(base.manifest).bind(now()).run());
        }
        for (const auto& step : steps) DBUILD_TRY(insert_step(step, on_conflict));
        return {};
    });
    DBUILD_TRY(std::move(done));
    return new_layers;
}

Result<std::optional<MergedScope>> Index::find_merged(std::string_view remote, std::string_view scope,
                                                      OnConflict on_conflict) {
    DBUILD_TRY_ASSIGN(auto select, database_.query("SELECT version, settled FROM merged_scope "
                                                   "WHERE remote = ? AND scope = ? AND has_won = ?"));
    select.bind(remote).bind(scope).bind(std::uint64_t{on_conflict == OnConflict::replace});
    DBUILD_TRY_ASSIGN(const bool found, select.step());
    if (!found) return std::nullopt;
    MergedScope merged{std::string(select.bytes(0)), std::nullopt};
    if (!select.bytes(1).empty()) merged.settled = select.digest(1);
    return merged;
}

Status Index::record_merged(std::string_view remote, std::string_view scope, OnConflict on_conflict,
                            const MergedScope& merged) {
    return database_.write([&]() -> Status {
        DBUILD_TRY_ASSIGN(auto insert, database_.query("INSERT OR REPLACE INTO merged_scope(remote, scope, has_won, "
                                                       "version, settled) VALUES(?,?,?,?,?)"));
        insert.bind(remote).bind(scope).bind(std::uint64_t{on_conflict == OnConflict::replace}).bind(merged.version);
        return (merged.settled ? insert.bind(*merged.settled) : insert.bind_blob("")).run();
    });
}

Status Index::use_steps(std::span<const StepKey> keys, std::string_view scope) {
    // A build that only hits takes the write lock at most once an hour. All keys get the same time then: whatever
    // stands on a layer was used no later than the layer, which is what prune goes by.
    bool are_recent = true;
    std::optional<ReadTransaction> reading(*this);
    for (const auto& key : keys) {
        DBUILD_TRY_ASSIGN(auto query, database_.query("SELECT used FROM scope_step WHERE scope = ? AND key = ?"));
        DBUILD_TRY_ASSIGN(const bool is_known, query.bind(scope).bind(key.digest).step());
        are_recent = are_recent && is_known && is_recent(query.integer(0));
    }
    reading.reset();
    if (are_recent) return {};
    return database_.write([&]() -> Status {
        for (const auto& key : keys) DBUILD_TRY(use_step(key, scope));
        return {};
    });
}

Status Index::record_layer(const Digest& diff_id, const LayerRecord& layer, const oci::TableOfContents& contents) {
    DBUILD_TRY_ASSIGN(const auto packed, zstd_compress(oci::encode(contents)));
    return database_.write([&]() -> Status {
        DBUILD_TRY_ASSIGN(
            auto insert,
            database_.query("INSERT OR REPLACE INTO layer(diff_id, size, contents, made_in_process) VALUES(?,?,?,?)"));
        const std::uint64_t made_in_process = layer.is_made_in_process ? 1 : 0;
        return insert.bind(diff_id).bind(layer.size).bind_blob(packed).bind(made_in_process).run();
    });
}

Result<std::optional<oci::TableOfContents>> Index::find_contents(const Digest& diff_id) {
    DBUILD_TRY_ASSIGN(auto select, database_.query("SELECT contents FROM layer WHERE diff_id = ?"));
    DBUILD_TRY_ASSIGN(const bool found, select.bind(diff_id).step());
    if (!found) return std::nullopt;
    DBUILD_TRY_ASSIGN(auto contents, unpack_contents(select.bytes(0)));
    return contents;
}

Result<std::optional<LayerRecord>> Index::find_layer(const Digest& diff_id) {
    DBUILD_TRY_ASSIGN(auto select, database_.query("SELECT size, made_in_process FROM layer WHERE diff_id = ?"));
    DBUILD_TRY_ASSIGN(const bool found, select.bind(diff_id).step());
    if (!found) return std::nullopt;
    return LayerRecord{select.integer(0), select.integer(1) != 0};
}

Result<std::optional<Digest>> Index::find_selection(const Digest& layers, std::string_view source) {
    DBUILD_TRY_ASSIGN(auto select, database_.query("SELECT digest FROM selection WHERE layers = ? AND source = ?"));
    DBUILD_TRY_ASSIGN(const bool found, select.bind(layers).bind(source).step());
    if (!found) return std::nullopt;
    return select.digest(0);
}

Status Index::record_selection(const Digest& layers, std::string_view source, const Digest& digest) {
    return database_.write([&]() -> Status {
        DBUILD_TRY_ASSIGN(auto insert,
                          database_.query("INSERT OR REPLACE INTO selection(layers, source, digest) VALUES(?,?,?)"));
        return insert.bind(layers).bind(source).bind(digest).run();
    });
}

Result<std::optional<CompressedLayer>> Index::find_compressed(const Digest& diff_id, std::string_view compression) {
    DBUILD_TRY_ASSIGN(
        auto select,
        database_.query("SELECT digest, size FROM compressed_layer WHERE diff_id = ? AND compression = ?"));
    DBUILD_TRY_ASSIGN(const bool found, select.bind(diff_id).bind(compression).step());
    if (!found) return std::nullopt;
    return CompressedLayer{diff_id, select.digest(0), select.integer(1)};
}

Status Index::record_compressed(std::span<const CompressedLayer> layers, std::string_view compression) {
    if (layers.empty()) return {};
    return database_.write([&]() -> Status {
        for (const auto& layer : layers) {
            DBUILD_TRY_ASSIGN(auto insert, database_.query("INSERT OR REPLACE INTO compressed_layer VALUES(?,?,?,?)"));
            DBUILD_TRY(insert.bind(layer.diff_id).bind(compression).bind(layer.digest).bind(layer.size).run());
        }
        return {};
    });
}

Result<bool> Index::has_unpacked(const Digest& blob, const Digest& diff_id) {
    DBUILD_TRY_ASSIGN(auto select, database_.query("SELECT 1 FROM unpacked_blob WHERE blob = ? AND diff_id = ?"));
    return select.bind(blob).bind(diff_id).step();
}

Status Index::record_unpacked(const Digest& blob, const Digest& diff_id) {
    return database_.write([&]() -> Status {
        DBUILD_TRY_ASSIGN(auto insert, database_.query("INSERT OR IGNORE INTO unpacked_blob VALUES(?,?)"));
        return insert.bind(blob).bind(diff_id).run();
    });
}

Result<std::optional<Digest>> Index::find_clamped(const Digest& diff_id, std::uint64_t latest) {
    DBUILD_TRY_ASSIGN(auto select,
                      database_.query("SELECT clamped FROM clamped_layer WHERE diff_id = ? AND latest = ?"));
    DBUILD_TRY_ASSIGN(const bool found, select.bind(diff_id).bind(latest).step());
    return found ? std::optional(select.digest(0)) : std::nullopt;
}

Status Index::record_clamped(const Digest& diff_id, std::uint64_t latest, const Digest& clamped) {
    return database_.write([&]() -> Status {
        DBUILD_TRY_ASSIGN(auto insert, database_.query("INSERT OR REPLACE INTO clamped_layer VALUES(?,?,?)"));
        return insert.bind(diff_id).bind(latest).bind(clamped).run();
    });
}

Result<std::optional<std::uint64_t>> Index::find_brought(const Digest& manifest) {
    DBUILD_TRY_ASSIGN(auto select, database_.query("SELECT bytes FROM brought_image WHERE manifest = ?"));
    DBUILD_TRY_ASSIGN(const bool found, select.bind(manifest).step());
    return found ? std::optional(select.integer(0)) : std::nullopt;
}

Status Index::record_brought(const Digest& manifest, std::uint64_t bytes) {
    return database_.write([&]() -> Status {
        DBUILD_TRY_ASSIGN(auto insert, database_.query("INSERT OR IGNORE INTO brought_image VALUES(?,?)"));
        return insert.bind(manifest).bind(bytes).run();
    });
}

Status Index::forget_brought(const Digest& manifest) {
    return database_.write([&]() -> Status {
        DBUILD_TRY_ASSIGN(auto remove, database_.query("DELETE FROM brought_image WHERE manifest = ?"));
        return remove.bind(manifest).run();
    });
}

Result<std::optional<BaseRecord>> Index::find_base(std::string_view id) {
    DBUILD_TRY_ASSIGN(auto select, database_.query("SELECT config, manifest FROM base_image WHERE id = ?"));
    DBUILD_TRY_ASSIGN(const bool found, select.bind(id).step());
    if (!found) return std::nullopt;
    return BaseRecord{std::string(id), std::string(select.bytes(0)), std::string(select.bytes(1))};
}

Status Index::record_base(const BaseRecord& base) {
    return database_.write([&]() -> Status {
        DBUILD_TRY_ASSIGN(
            auto insert,
            database_.query("INSERT OR REPLACE INTO base_image(id, config, manifest, used) VALUES(?,?,?,?)"));
        return insert.bind(base.id).bind(base.config).bind(base.manifest).bind(now()).run();
    });
}

Result<std::optional<std::string>> Index::find_pin(std::string_view reference, std::int64_t asked_since) {
    DBUILD_TRY_ASSIGN(auto select, database_.query("SELECT id FROM base_pin WHERE reference = ? AND asked >= ?"));
    const auto since = static_cast<std::uint64_t>(std::max(asked_since, std::int64_t{0}));
    DBUILD_TRY_ASSIGN(const bool found, select.bind(reference).bind(since).step());
    if (!found) return std::nullopt;
    return std::string(select.bytes(0));
}

Status Index::record_pin(std::string_view reference, std::string_view id) {
    DBUILD_TRY_ASSIGN(const auto known, find_pin(reference));
    bool is_used = true; // a base that is not recorded has no time of use
    {
        DBUILD_TRY_ASSIGN(auto select, database_.query("SELECT used FROM base_image WHERE id = ?"));
        DBUILD_TRY_ASSIGN(const bool found, select.bind(id).step());
        if (found) is_used = is_recent(select.integer(0));
    }
    if (known == id && is_used) return {};
    return database_.write([&]() -> Status {
        DBUILD_TRY_ASSIGN(
            auto insert,
            database_.query("INSERT OR REPLACE INTO base_pin(reference, id) VALUES(?,?)")); // asked: not known
        DBUILD_TRY(insert.bind(reference).bind(id).run());
        DBUILD_TRY_ASSIGN(auto use, database_.query("UPDATE base_image SET used = ? WHERE id = ?"));
        return use.bind(now()).bind(id).run();
    });
}

Status Index::record_answer(std::string_view reference, std::string_view id) {
    return database_.write([&]() -> Status {
        DBUILD_TRY_ASSIGN(auto insert,
                          database_.query("INSERT OR REPLACE INTO base_pin(reference, id, asked) VALUES(?,?,?)"));
        return insert.bind(reference).bind(id).bind(now()).run();
    });
}

} // namespace dbuild::cache::store
