// SPDX-License-Identifier: Apache-2.0
#include "cache/store/record_transfer.hpp"

#include "cache/store/wire.hpp"

#include <array>
#include <bit>
#include <cmath>

namespace dbuild::cache::store {
namespace {

/// The tables that an export holds. Columns: b — bytes, t — text, i — integer, r — real.
struct Table {
    std::string_view columns, select, insert;
    std::size_t columns_in_1; // those behind them are new in export 2
};
constexpr std::array<Table, 6> k_tables{{
    {"bbbtrtb", "SELECT key, diff_id, content_id, created, wall_ms, ingredients, parent FROM step",
     "INSERT OR IGNORE INTO step(key, diff_id, content_id, created, wall_ms, ingredients, parent) "
     "VALUES(?,?,?,?,?,?,?)",
     6},
    {"bibi", "SELECT diff_id, size, contents, made_in_process FROM layer",
     "INSERT OR IGNORE INTO layer(diff_id, size, contents, made_in_process) VALUES(?,?,?,?)", 3},
    {"btb", "SELECT layers, source, digest FROM selection",
     "INSERT OR IGNORE INTO selection(layers, source, digest) VALUES(?,?,?)", 3},
    {"ttti", "SELECT id, config, manifest, used FROM base_image",
     "INSERT OR IGNORE INTO base_image(id, config, manifest, used) VALUES(?,?,?,?)", 4},
    {"tt", "SELECT reference, id FROM base_pin", "INSERT OR IGNORE INTO base_pin(reference, id) VALUES(?,?)", 2},
    {"tbi", "SELECT scope, key, used FROM scope_step",
     "INSERT OR IGNORE INTO scope_step(scope, key, used) VALUES(?,?,?)", 3},
}};

double real(WireReader& in) {
    const auto value = std::bit_cast<double>(in.number());
    return std::isfinite(value) ? value : 0; // which SQLite would take for no value at all
}

} // namespace

Result<EncodedRecords> encode_records(Database& database) {
    WireWriter out;
    std::uint64_t count = 0;
    for (const auto& table : k_tables) {
        DBUILD_TRY_ASSIGN(auto rows, database.query(table.select));
        for (;;) {
            DBUILD_TRY_ASSIGN(const bool found, rows.step());
            out.number(found ? 1 : 0);
            if (!found) break;
            ++count;
            for (std::size_t i = 0; i < table.columns.size(); ++i) {
                const int column = static_cast<int>(i);
                if (table.columns[i] == 'i')
                    out.number(rows.integer(column));
                else if (table.columns[i] == 'r')
                    out.number(std::bit_cast<std::uint64_t>(rows.real(column)));
                else
                    out.text(rows.bytes(column));
            }
        }
    }
    return EncodedRecords{out.take(), count};
}

Result<std::uint64_t> decode_records(std::string_view bytes, ExportFormat format, Database& database) {
    std::uint64_t count = 0;
    Status done = database.write([&]() -> Status {
        WireReader in(bytes);
        count = 0;
        for (const auto& table : k_tables) {
            while (in.number() == 1) {
                DBUILD_TRY_ASSIGN(auto insert, database.query(table.insert));
                for (std::size_t i = 0; i < table.columns.size(); ++i) {
                    const char kind = table.columns[i];
                    const bool is_missing = format == ExportFormat::first && i >= table.columns_in_1;
                    if (is_missing && kind == 'i')
                        insert.bind(std::uint64_t{0});
                    else if (is_missing)
                        insert.bind_blob({});
                    else if (kind == 'i')
                        insert.bind(in.number());
                    else if (kind == 'r')
                        insert.bind(real(in));
                    else if (kind == 't')
                        insert.bind(in.text());
                    else
                        insert.bind_blob(in.text());
                }
                if (in.failed()) return fail(ErrorKind::corrupt, "export: damaged records");
                DBUILD_TRY(insert.run());
                ++count;
            }
        }
        if (in.failed() || !in.at_end()) return fail(ErrorKind::corrupt, "export: damaged records");
        return {};
    });
    DBUILD_TRY(std::move(done));
    return count;
}

} // namespace dbuild::cache::store
