// SPDX-License-Identifier: Apache-2.0
// The SQLite database of the store: opening and its faults, transactions under the write lock. What the rows mean is
// the business of index.cpp and of the layer store's files.
#pragma once

#include "cache/store/query.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace dbuild::cache::store {

/// Where SQLite's locks or shared memory cannot be relied on. In: a statfs magic. Out: the file system's name, or
/// empty.
std::string_view unsafe_file_system(std::uint64_t magic);

/// For one thread at a time. Faults never stop a build (docs/store_format.md "Faults"): what cannot be written goes on
/// in memory, a damaged file is set aside; each costs one warning. On a full disk the reserve (reserve.hpp) makes room
/// for rows.
class Database {
public:
    /// In: root — the cache folder. Effects: makes folder and file; brings an older format up to date.
    /// Errors: unsupported — made by a newer dbuild, or on a file system where SQLite is not safe; unavailable.
    static Result<Database> open(const std::filesystem::path& root);
    /// One of its own in memory, apart from any cache folder.
    static Result<Database> create_in_memory(const std::string& schema);
    /// The bytes of a database that anybody may have written, for reading only. Errors: corrupt — it is damaged, or
    /// holds anything but the tables of `schema`; unsupported — its user_version is greater than `version`.
    static Result<Database> read_foreign(std::string_view bytes, const std::string& schema, std::uint64_t version);
    /// The file that a database in memory would be.
    Result<std::string> to_bytes();
    Database(Database&&) noexcept;
    ~Database();

    /// In: sql — a literal, which outlives the database. Prepared once.
    Result<Query> query(std::string_view sql);
    /// One read transaction from here on, instead of one a statement: what other processes write meanwhile is not seen,
    /// and their log cannot be folded back. The next write ends it, and so does end_reading(). Where it cannot begin,
    /// every statement goes on being one.
    void begin_reading();
    void end_reading();
    /// Runs `body` as one transaction under <root>/write.lock; an error of it rolls back. It may run several
    /// times.
    Status write(const std::function<Status()>& body);
    /// In: sql — one or more statements without parameters.
    Status execute(const std::string& sql);

    /// Of the file, with its log. 0 in memory.
    std::uint64_t bytes() const;
    bool is_private() const; // in memory: nothing is kept
    /// Whether a damaged file was found since it was opened: the warning says it, and all that was known may be gone.
    bool was_damaged() const;
    /// What went wrong since the last call, one sentence each.
    std::vector<std::string> take_warnings();

private:
    struct Impl;
    explicit Database(std::unique_ptr<Impl> impl);
    Result<std::string> schema();
    std::unique_ptr<Impl> impl_;
};

} // namespace dbuild::cache::store
