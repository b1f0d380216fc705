// SPDX-License-Identifier: Apache-2.0
#include "cache/store/records.hpp"

#include "cache/oci/image.hpp"

#include <set>

namespace dbuild::cache::store {
namespace {

constexpr std::string_view k_hexadecimal = "0123456789abcdef";

} // namespace

Result<Records> Records::open(const std::filesystem::path& root) {
    DBUILD_TRY_ASSIGN(auto database, Database::open(root));
    return Records(std::move(database));
}

Result<std::vector<RecordedStep>> Records::read_steps(Query& query) {
    std::vector<RecordedStep> steps;
    for (;;) {
        DBUILD_TRY_ASSIGN(const bool found, query.step());
        if (!found) break;
        steps.push_back({query.digest(0),
                         query.digest(1),
                         query.digest(2),
                         std::string(query.bytes(3)),
                         query.real(4),
                         std::string(query.bytes(5)),
                         query.integer(6),
                         {},
                         0,
                         query.digest(7)});
    }
    for (auto& step : steps) {
        DBUILD_TRY_ASSIGN(auto scopes,
                          database_.query("SELECT scope, used FROM scope_step WHERE key = ? ORDER BY scope"));
        scopes.bind(step.key);
        for (;;) {
            DBUILD_TRY_ASSIGN(const bool found, scopes.step());
            if (!found) break;
            step.scopes.emplace_back(scopes.bytes(0));
            step.used = std::max(step.used, static_cast<std::int64_t>(scopes.integer(1)));
        }
    }
    return steps;
}

Result<std::vector<RecordedStep>> Records::steps() {
    DBUILD_TRY_ASSIGN(
        auto query,
        database_.query("SELECT key, step.diff_id, content_id, created, wall_ms, '', COALESCE(layer.size, 0), "
                        "parent FROM step LEFT JOIN layer ON layer.diff_id = step.diff_id ORDER BY key"));
    return read_steps(query);
}

Result<std::optional<RecordedStep>> Records::find_step(std::string_view prefix) {
    if (prefix.starts_with("sha256:")) prefix.remove_prefix(7);
    const bool is_possible = !prefix.empty() && prefix.size() <= 2 * Digest::k_size &&
                             prefix.find_first_not_of(k_hexadecimal) == prefix.npos;
    if (!is_possible) return std::nullopt;
    // All keys between the prefix filled up with zeros and filled up with f.
    const auto filled = [&](char digit) {
        return Digest::parse("sha256:" + std::string(prefix) + std::string(2 * Digest::k_size - prefix.size(), digit));
    };
    DBUILD_TRY_ASSIGN(const auto first, filled('0'));
    DBUILD_TRY_ASSIGN(const auto last, filled('f'));
    DBUILD_TRY_ASSIGN(auto query,
                      database_.query("SELECT key, step.diff_id, content_id, created, wall_ms, ingredients, "
                                      "COALESCE(layer.size, 0), parent FROM step LEFT JOIN layer "
                                      "ON layer.diff_id = step.diff_id WHERE key BETWEEN ? AND ? LIMIT 2"));
    query.bind(first).bind(last);
    DBUILD_TRY_ASSIGN(auto found, read_steps(query));
    return found.size() == 1 ? std::optional(std::move(found.front())) : std::nullopt;
}

Result<std::vector<RecordedBase>> Records::bases() {
    DBUILD_TRY_ASSIGN(auto query, database_.query("SELECT id, manifest, config, used FROM base_image ORDER BY id"));
    std::vector<RecordedBase> bases;
    for (;;) {
        DBUILD_TRY_ASSIGN(const bool found, query.step());
        if (!found) return bases;
        RecordedBase base{std::string(query.bytes(0)), {}, {}, static_cast<std::int64_t>(query.integer(3))};
        if (const auto manifest = oci::Manifest::parse(query.bytes(1)))
            for (const auto& layer : manifest->layers) base.blobs.push_back(layer.digest);
        if (const auto config = oci::ImageConfig::parse(query.bytes(2))) base.diff_ids = config->diff_ids;
        bases.push_back(std::move(base));
    }
}

Result<std::uint64_t> Records::remove_unused_since(std::int64_t seconds) {
    DBUILD_TRY_ASSIGN(const auto all_bases, bases());
    std::set<Digest> kept;
    for (const auto& base : all_bases) kept.insert(base.diff_ids.begin(), base.diff_ids.end());
    std::uint64_t removed = 0;
    Status done = database_.write([&]() -> Status {
        {
            DBUILD_TRY_ASSIGN(auto uses, database_.query("DELETE FROM scope_step WHERE used < ?"));
            DBUILD_TRY(uses.bind(static_cast<std::uint64_t>(seconds)).run());
        }
        {
            DBUILD_TRY_ASSIGN(auto count,
                              database_.query("SELECT COUNT(*) FROM step WHERE key NOT IN (SELECT key FROM scope_step) "
                                              "AND diff_id NOT IN (SELECT diff_id FROM packed_layer)"));
            DBUILD_TRY(count.step());
            removed = count.integer(0);
        }
        DBUILD_TRY(database_.execute("DELETE FROM step WHERE key NOT IN (SELECT key FROM scope_step) "
                                     "AND diff_id NOT IN (SELECT diff_id FROM packed_layer)"));
        std::vector<Digest> unnamed;
        {
            DBUILD_TRY_ASSIGN(
                auto layers,
                database_.query("SELECT diff_id FROM layer WHERE diff_id NOT IN (SELECT diff_id FROM step)"));
            for (;;) {
                DBUILD_TRY_ASSIGN(const bool found, layers.step());
                if (!found) break;
                if (!kept.contains(layers.digest(0))) unnamed.push_back(layers.digest(0));
            }
        }
        for (const auto& diff_id : unnamed) {
            DBUILD_TRY_ASSIGN(auto layer, database_.query("DELETE FROM layer WHERE diff_id = ?"));
            DBUILD_TRY(layer.bind(diff_id).run());
        }
        return {};
    });
    DBUILD_TRY(std::move(done));
    return removed;
}

} // namespace dbuild::cache::store
