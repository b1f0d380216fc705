// SPDX-License-Identifier: Apache-2.0
// The half of the catalog that forgets: layers, packs, pieces.
#include "cache/store/catalog.hpp"

#include <sys/stat.h>

namespace dbuild::cache::store {
namespace {

Status delete_layer(Database& database, const Digest& diff_id) {
    DBUILD_TRY_ASSIGN(auto needs, database.query("DELETE FROM packed_layer_needs WHERE diff_id = ?"));
    DBUILD_TRY(needs.bind(diff_id).run());
    DBUILD_TRY_ASSIGN(auto layer, database.query("DELETE FROM packed_layer WHERE diff_id = ?"));
    return layer.bind(diff_id).run();
}

/// Its pieces are not found from then on; sweep_pieces() removes their rows.
Status delete_pack(Database& database, std::uint64_t id) {
    DBUILD_TRY_ASSIGN(auto pack, database.query("DELETE FROM pack WHERE id = ?"));
    return pack.bind(id).run();
}

/// With all layers that need it.
Status delete_pack_and_layers(Database& database, const Digest& name) {
    DBUILD_TRY_ASSIGN(const auto id, pack_id(database, name));
    if (!id) return {};
    DBUILD_TRY_ASSIGN(auto query, database.query("SELECT diff_id FROM packed_layer_needs WHERE pack = ?"));
    DBUILD_TRY_ASSIGN(const auto layers, digests(query.bind(*id)));
    query.reset();
    for (const auto& diff_id : layers) DBUILD_TRY(delete_layer(database, diff_id));
    return delete_pack(database, *id);
}

} // namespace

bool has_whole_file(const std::filesystem::path& root, const CatalogPack& pack) {
    struct stat status {};
    return ::stat(pack_path(root, pack.name).c_str(), &status) == 0 &&
           static_cast<std::uint64_t>(status.st_size) == pack.bytes;
}

Status Catalog::forget_layers(std::span<const Digest> diff_ids) {
    DBUILD_TRY_ASSIGN(const auto database, access());
    return database->write([&]() -> Status {
        for (const auto& diff_id : diff_ids) DBUILD_TRY(delete_layer(*database, diff_id));
        return {};
    });
}

Status Catalog::forget_pack(const Digest& name) {
    DBUILD_TRY_ASSIGN(const auto database, access());
    return database->write([&] { return delete_pack_and_layers(*database, name); });
}

Status Catalog::forget_lost_pack(const CatalogPack& pack) {
    DBUILD_TRY_ASSIGN(const auto database, access());
    return database->write([&]() -> Status { // whoever lists a pack has this lock as well
        if (has_whole_file(state_->root, pack)) return {};
        return delete_pack_and_layers(*database, pack.name);
    });
}

Status Catalog::doom_layers(std::span<const Digest> diff_ids) {
    DBUILD_TRY_ASSIGN(const auto database, access());
    return database->write([&]() -> Status {
        DBUILD_TRY_ASSIGN(auto update, database->query("UPDATE packed_layer SET doomed = 1 WHERE diff_id = ?"));
        for (const auto& diff_id : diff_ids) {
            DBUILD_TRY(update.bind(diff_id).run());
            update.reset();
        }
        return {};
    });
}

Status Catalog::forget_doomed(const std::set<Digest>& spared) {
    DBUILD_TRY_ASSIGN(const auto database, access());
    return database->write([&]() -> Status {
        DBUILD_TRY_ASSIGN(auto query, database->query("SELECT diff_id FROM packed_layer WHERE doomed = 1"));
        DBUILD_TRY_ASSIGN(const auto doomed, digests(query));
        query.reset();
        for (const auto& diff_id : doomed) {
            if (!spared.contains(diff_id)) {
                DBUILD_TRY(delete_layer(*database, diff_id));
                continue;
            }
            DBUILD_TRY_ASSIGN(auto update, database->query("UPDATE packed_layer SET doomed = 0 WHERE diff_id = ?"));
            DBUILD_TRY(update.bind(diff_id).run());
        }
        return {};
    });
}

Result<std::vector<Digest>> Catalog::forget_unneeded_packs(const std::set<Digest>& spared) {
    DBUILD_TRY_ASSIGN(const auto database, access());
    std::vector<Digest> names;
    Status done = database->write([&]() -> Status {
        names.clear();
        std::vector<std::pair<std::uint64_t, Digest>> unneeded;
        {
            DBUILD_TRY_ASSIGN(
                auto query,
                database->query("SELECT id, name FROM pack WHERE id NOT IN (SELECT pack FROM packed_layer_needs)"));
            for (;;) {
                DBUILD_TRY_ASSIGN(const bool found, query.step());
                if (!found) break;
                if (!spared.contains(query.digest(1))) unneeded.emplace_back(query.integer(0), query.digest(1));
            }
        }
        for (const auto& [id, name] : unneeded) {
            DBUILD_TRY(delete_pack(*database, id));
            names.push_back(name);
        }
        return {};
    });
    DBUILD_TRY(std::move(done));
    return names;
}

Status Catalog::sweep_pieces() {
    DBUILD_TRY_ASSIGN(const auto database, access());
    return database->write([&]() -> Status {
        DBUILD_TRY_ASSIGN(auto pieces, database->query("DELETE FROM piece WHERE pack NOT IN (SELECT id FROM pack)"));
        return pieces.run();
    });
}

Status Catalog::retire_pieces(const Digest& pack) {
    DBUILD_TRY_ASSIGN(const auto database, access());
    return database->write([&]() -> Status {
        DBUILD_TRY_ASSIGN(const auto id, pack_id(*database, pack));
        if (!id) return {};
        DBUILD_TRY_ASSIGN(auto pieces, database->query("DELETE FROM piece WHERE pack = ?"));
        return pieces.bind(*id).run();
    });
}

} // namespace dbuild::cache::store
