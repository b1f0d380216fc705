// SPDX-License-Identifier: Apache-2.0
#include "cache/store/query.hpp"

#include <sqlite3.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace dbuild::cache::store {

tl::unexpected<Error> Connection::failure(int code, std::string_view what) {
    const int primary = code & 0xff;
    // What the disk cannot give again is as good as damaged; so is a file that somebody cut off.
    const int extended = handle ? sqlite3_extended_errcode(handle) : code;
    const bool is_lost = extended == SQLITE_IOERR_READ || extended == SQLITE_IOERR_SHORT_READ;
    const bool is_damage = primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB || is_lost;
    // The log's index is no file to SQLite that could be full: there the disk's own words say it.
    const bool is_full = primary == SQLITE_FULL || ((primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN) && handle &&
                                                    sqlite3_system_errno(handle) == ENOSPC);
    if (is_damage) is_damaged = true;
    return fail(is_damage ? ErrorKind::corrupt
                : is_full ? ErrorKind::no_space
                          : ErrorKind::unavailable,
                "cache index: cannot " + std::string(what) + ": " +
                    (handle ? sqlite3_errmsg(handle) : sqlite3_errstr(code)));
}

Query::Query(Query&& other) noexcept
    : owner_(other.owner_), statement_(std::exchange(other.statement_, nullptr)), bound_(other.bound_) {}

Query::~Query() { reset(); }

void Query::reset() {
    if (!statement_) return;
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
    bound_ = 0;
}

Query& Query::bind(const Digest& digest) {
    sqlite3_bind_blob(statement_, ++bound_, digest.bytes().data(), Digest::k_size, SQLITE_TRANSIENT);
    return *this;
}
Query& Query::bind(std::string_view text) {
    sqlite3_bind_text64(statement_, ++bound_, text.data() ? text.data() : "", // null would bind NULL
                        text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
    return *this;
}
Query& Query::bind_blob(std::string_view bytes) {
    sqlite3_bind_blob64(statement_, ++bound_, bytes.data() ? bytes.data() : "", bytes.size(), SQLITE_TRANSIENT);
    return *this;
}
Query& Query::bind(std::uint64_t value) {
    sqlite3_bind_int64(statement_, ++bound_, static_cast<sqlite3_int64>(value));
    return *this;
}
Query& Query::bind(double value) {
    sqlite3_bind_double(statement_, ++bound_, value);
    return *this;
}

Result<bool> Query::step() {
    const int code = sqlite3_step(statement_);
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    return owner_->failure(code, "run a statement");
}
Status Query::run() {
    DBUILD_TRY(step());
    return {};
}

std::string_view Query::bytes(int column) const {
    const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_, column));
    return {data ? data : "", static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}
Digest Query::digest(int column) const {
    std::array<std::uint8_t, Digest::k_size> raw{};
    const auto blob = bytes(column);
    if (blob.size() == raw.size()) std::memcpy(raw.data(), blob.data(), raw.size());
    return Digest(raw);
}
std::uint64_t Query::integer(int column) const {
    return static_cast<std::uint64_t>(sqlite3_column_int64(statement_, column));
}
double Query::real(int column) const { return sqlite3_column_double(statement_, column); }

Result<std::vector<Digest>> digests(Query& query) {
    std::vector<Digest> found;
    for (;;) {
        DBUILD_TRY_ASSIGN(const bool is_row, query.step());
        if (!is_row) return found;
        found.push_back(query.digest(0));
    }
}

} // namespace dbuild::cache::store
