// SPDX-License-Identifier: Apache-2.0
// Prepared statements of the store's database. SQLite's header stays in query.cpp and database.cpp.
#pragma once

#include "support/digest.hpp"
#include "support/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

struct sqlite3;
struct sqlite3_stmt;

namespace dbuild::cache::store {

/// What a database and its statements share.
struct Connection {
    sqlite3* handle = nullptr;
    bool is_damaged = false; // seen by a statement; the file is set aside before the next one

    /// In: code — SQLite's; what — "cache index: cannot <what>". Out: corrupt, no_space or unavailable.
    tl::unexpected<Error> failure(int code, std::string_view what);
};

/// One use of a prepared statement; reset when it goes out of scope. Parameters are bound in order, columns count from
/// 0.
class Query {
public:
    Query(Query&& other) noexcept;
    Query& operator=(Query&&) = delete;
    ~Query();

    Query& bind(const Digest& digest);
    Query& bind(std::string_view text);
    Query& bind_blob(std::string_view bytes);
    Query& bind(std::uint64_t value);
    Query& bind(double value);

    /// True: a row is there. Errors: corrupt — the database is damaged; unavailable.
    Result<bool> step();
    /// For statements without rows.
    Status run();
    /// Makes it ready for the next bindings.
    void reset();

    std::string_view bytes(int column) const; // valid until the next step
    Digest digest(int column) const;
    std::uint64_t integer(int column) const;
    double real(int column) const;

private:
    friend class Database;
    Query(Connection* owner, sqlite3_stmt* statement) : owner_(owner), statement_(statement) {}
    Connection* owner_;
    sqlite3_stmt* statement_;
    int bound_ = 0;
};

/// The first column of all rows that are left. Errors: as step().
Result<std::vector<Digest>> digests(Query& query);

} // namespace dbuild::cache::store
