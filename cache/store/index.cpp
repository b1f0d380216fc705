// SPDX-License-Identifier: Apache-2.0
#include "cache/store/index.hpp"

#include "cache/store/schema.hpp" // generated from schema.sql
#include "support/compression.hpp"
#include "support/files.hpp"

#include <sqlite3.h>

#include <array>
#include <cstring>
#include <map>

namespace dbuild::cache::store {
namespace {

constexpr int k_format_version = 1;
constexpr std::size_t k_max_contents_bytes = std::size_t{1} << 30; // a table of contents above this is damage, not a layer

tl::unexpected<Error> database_failure(sqlite3* database, std::string_view what) {
    return fail(ErrorKind::unavailable, "cache index: cannot " + std::string(what) + ": " + sqlite3_errmsg(database));
}

/// One use of a prepared statement; reset when it goes out of scope.
class Query {
public:
    Query(sqlite3* database, sqlite3_stmt* statement) : database_(database), statement_(statement) {}
    Query(const Query&) = delete;
    Query& operator=(const Query&) = delete;
    ~Query() {
        sqlite3_reset(statement_);
        sqlite3_clear_bindings(statement_);
    }

    Query& bind(const Digest& digest) {
        sqlite3_bind_blob(statement_, ++bound_, digest.bytes().data(), Digest::k_size, SQLITE_TRANSIENT);
        return *this;
    }
    Query& bind(std::string_view text) {
        sqlite3_bind_text(statement_, ++bound_, text.data() ? text.data() : "", // null would bind NULL
                           static_cast<int>(text.size()), SQLITE_TRANSIENT);
        return *this;
    }
    Query& bind_blob(std::string_view bytes) {
        sqlite3_bind_blob(statement_, ++bound_, bytes.data(), static_cast<int>(bytes.size()), SQLITE_TRANSIENT);
        return *this;
    }
    Query& bind(std::uint64_t value) {
        sqlite3_bind_int64(statement_, ++bound_, static_cast<sqlite3_int64>(value));
        return *this;
    }
    Query& bind(double value) {
        sqlite3_bind_double(statement_, ++bound_, value);
        return *this;
    }

    /// True: a row is there.
    Result<bool> step() {
        const int code = sqlite3_step(statement_);
        if (code == SQLITE_ROW) return true;
        if (code == SQLITE_DONE) return false;
        return database_failure(database_, "run a statement");
    }
    Status run() {
        DBUILD_TRY(step());
        return {};
    }

    std::string_view bytes(int column) {
        const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_, column));
        return {data ? data : "", static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
    }
    Digest digest(int column) {
        std::array<std::uint8_t, Digest::k_size> raw{};
        const auto blob = bytes(column);
        if (blob.size() == raw.size()) std::memcpy(raw.data(), blob.data(), raw.size());
        return Digest(raw);
    }
    std::uint64_t integer(int column) { return static_cast<std::uint64_t>(sqlite3_column_int64(statement_, column)); }
    double real(int column) { return sqlite3_column_double(statement_, column); }

private:
    sqlite3* database_;
    sqlite3_stmt* statement_;
    int bound_ = 0;
};

} // namespace

struct Index::Impl {
    std::filesystem::path root;
    sqlite3* database = nullptr;
    std::map<std::string_view, sqlite3_stmt*> statements; // by their (literal) text, prepared at first use

    ~Impl() {
        for (auto& [text, statement] : statements) sqlite3_finalize(statement);
        sqlite3_close(database);
    }

    Status execute(const char* sql) {
        if (sqlite3_exec(database, sql, nullptr, nullptr, nullptr) != SQLITE_OK) return database_failure(database, "execute");
        return {};
    }

    /// In: sql — a literal, which outlives the statement.
    Result<sqlite3_stmt*> prepare(std::string_view sql) {
        if (const auto found = statements.find(sql); found != statements.end()) return found->second;
        sqlite3_stmt* statement = nullptr;
        if (sqlite3_prepare_v3(database, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &statement,
                               nullptr) != SQLITE_OK)
            return database_failure(database, "prepare a statement");
        statements.emplace(sql, statement);
        return statement;
    }

    /// Runs `body` as one transaction under the write lock; the WAL is folded back by the lock holder alone.
    template <class Body>
    Status write(Body body) {
        DBUILD_TRY_ASSIGN(auto lock, FileLock::acquire(root / "write.lock"));
        DBUILD_TRY(execute("BEGIN IMMEDIATE"));
        if (Status done = body(); !done) {
            sqlite3_exec(database, "ROLLBACK", nullptr, nullptr, nullptr);
            return done;
        }
        DBUILD_TRY(execute("COMMIT"));
        std::error_code ignored;
        if (std::filesystem::file_size(root / "index.sqlite-wal", ignored) > (4u << 20) && !ignored)
            sqlite3_wal_checkpoint_v2(database, nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
        return {};
    }

    Status check_format() {
        DBUILD_TRY_ASSIGN(auto* statement, prepare("PRAGMA user_version"));
        Query query(database, statement);
        DBUILD_TRY_ASSIGN(const bool has_row, query.step());
        const auto version = has_row ? static_cast<int>(query.integer(0)) : 0;
        if (version != 0 && version != k_format_version)
            return fail(ErrorKind::unavailable, "cache index " + (root / "index.sqlite").string() + " has format " +
                                                    std::to_string(version) + ", this dbuild knows format " +
                                                    std::to_string(k_format_version));
        has_schema = version == k_format_version;
        return {};
    }
    bool has_schema = false;
};

Index::Index(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Index::Index(Index&&) noexcept = default;
Index::~Index() = default;

Result<Index> Index::open(const std::filesystem::path& root) {
    auto impl = std::make_unique<Impl>();
    impl->root = root;
    const auto path = root / "index.sqlite";
    if (sqlite3_open_v2(path.c_str(), &impl->database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        nullptr) != SQLITE_OK)
        return database_failure(impl->database, "open " + path.string());
    sqlite3_busy_timeout(impl->database, 5000);
    sqlite3_db_config(impl->database, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    DBUILD_TRY(impl->check_format());
    if (!impl->has_schema) {
        DBUILD_TRY_ASSIGN(auto lock, FileLock::acquire(root / "write.lock"));
        DBUILD_TRY(impl->execute("PRAGMA journal_mode=WAL"));
        DBUILD_TRY(impl->execute(k_schema));
        DBUILD_TRY(impl->execute(("PRAGMA user_version=" + std::to_string(k_format_version)).c_str()));
    }
    DBUILD_TRY(impl->execute("PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=0"));
    return Index(std::move(impl));
}

Result<std::optional<StepRecord>> Index::find_step(const StepKey& key) {
    DBUILD_TRY_ASSIGN(auto* statement,
                      impl_->prepare("SELECT step.diff_id, content_id, layer.size, created, wall_ms FROM step JOIN layer "
                                     "ON layer.diff_id = step.diff_id WHERE key = ?"));
    Query query(impl_->database, statement);
    DBUILD_TRY_ASSIGN(const bool found, query.bind(key.digest).step());
    if (!found) return std::nullopt;
    return StepRecord{key,           query.digest(0), query.digest(1), query.integer(2), std::string(query.bytes(3)),
                      query.real(4), {}};
}

Status Index::record_steps(std::span<const StepRecord> records, std::string_view scope, OnConflict on_conflict) {
    DBUILD_TRY_ASSIGN(auto* insert,
                      impl_->prepare("INSERT INTO step(key, diff_id, content_id, created, wall_ms, ingredients) "
                                     "VALUES(?,?,?,?,?,?) ON CONFLICT(key) DO NOTHING"));
    DBUILD_TRY_ASSIGN(auto* replace,
                      impl_->prepare("INSERT OR REPLACE INTO step(key, diff_id, content_id, created, wall_ms, ingredients) "
                                     "VALUES(?,?,?,?,?,?)"));
    DBUILD_TRY_ASSIGN(auto* use, impl_->prepare("INSERT OR IGNORE INTO scope_step(scope, key) VALUES(?,?)"));
    return impl_->write([&]() -> Status {
        for (const auto& record : records) {
            Query query(impl_->database, on_conflict == OnConflict::replace ? replace : insert);
            DBUILD_TRY(query.bind(record.key.digest)
                           .bind(record.diff_id)
                           .bind(record.content_id)
                           .bind(record.created)
                           .bind(record.wall_ms)
                           .bind(record.ingredients)
                           .run());
            DBUILD_TRY(Query(impl_->database, use).bind(scope).bind(record.key.digest).run());
        }
        return {};
    });
}

Status Index::use_steps(std::span<const StepKey> keys, std::string_view scope) {
    DBUILD_TRY_ASSIGN(auto* known, impl_->prepare("SELECT 1 FROM scope_step WHERE scope = ? AND key = ?"));
    std::vector<StepKey> fresh; // a build that only hits must not take the write lock
    for (const auto& key : keys) {
        DBUILD_TRY_ASSIGN(const bool is_known, Query(impl_->database, known).bind(scope).bind(key.digest).step());
        if (!is_known) fresh.push_back(key);
    }
    if (fresh.empty()) return {};
    DBUILD_TRY_ASSIGN(auto* use, impl_->prepare("INSERT OR IGNORE INTO scope_step(scope, key) VALUES(?,?)"));
    return impl_->write([&]() -> Status {
        for (const auto& key : fresh) DBUILD_TRY(Query(impl_->database, use).bind(scope).bind(key.digest).run());
        return {};
    });
}

Status Index::record_layer(const Digest& diff_id, std::uint64_t size, const oci::TableOfContents& contents) {
    DBUILD_TRY_ASSIGN(const auto packed, zstd_compress(oci::encode(contents)));
    DBUILD_TRY_ASSIGN(auto* insert, impl_->prepare("INSERT OR REPLACE INTO layer(diff_id, size, contents) VALUES(?,?,?)"));
    return impl_->write(
        [&] { return Query(impl_->database, insert).bind(diff_id).bind(size).bind_blob(packed).run(); });
}

Result<std::optional<oci::TableOfContents>> Index::find_contents(const Digest& diff_id) {
    DBUILD_TRY_ASSIGN(auto* select, impl_->prepare("SELECT contents FROM layer WHERE diff_id = ?"));
    Query query(impl_->database, select);
    DBUILD_TRY_ASSIGN(const bool found, query.bind(diff_id).step());
    if (!found) return std::nullopt;
    DBUILD_TRY_ASSIGN(const auto encoded, zstd_decompress(query.bytes(0), k_max_contents_bytes));
    DBUILD_TRY_ASSIGN(auto contents, oci::decode_contents(encoded));
    return contents;
}

Result<std::optional<std::uint64_t>> Index::find_layer_size(const Digest& diff_id) {
    DBUILD_TRY_ASSIGN(auto* select, impl_->prepare("SELECT size FROM layer WHERE diff_id = ?"));
    Query query(impl_->database, select);
    DBUILD_TRY_ASSIGN(const bool found, query.bind(diff_id).step());
    if (!found) return std::nullopt;
    return query.integer(0);
}

Result<std::optional<Digest>> Index::find_selection(const Digest& chain, std::string_view source) {
    DBUILD_TRY_ASSIGN(auto* select, impl_->prepare("SELECT digest FROM selection WHERE chain = ? AND source = ?"));
    Query query(impl_->database, select);
    DBUILD_TRY_ASSIGN(const bool found, query.bind(chain).bind(source).step());
    if (!found) return std::nullopt;
    return query.digest(0);
}

Status Index::record_selection(const Digest& chain, std::string_view source, const Digest& digest) {
    DBUILD_TRY_ASSIGN(auto* insert,
                      impl_->prepare("INSERT OR REPLACE INTO selection(chain, source, digest) VALUES(?,?,?)"));
    return impl_->write([&] { return Query(impl_->database, insert).bind(chain).bind(source).bind(digest).run(); });
}

Result<std::optional<BaseRecord>> Index::find_base(std::string_view id) {
    DBUILD_TRY_ASSIGN(auto* select, impl_->prepare("SELECT config, manifest FROM base_image WHERE id = ?"));
    Query query(impl_->database, select);
    DBUILD_TRY_ASSIGN(const bool found, query.bind(id).step());
    if (!found) return std::nullopt;
    return BaseRecord{std::string(id), std::string(query.bytes(0)), std::string(query.bytes(1))};
}

Status Index::record_base(const BaseRecord& base) {
    DBUILD_TRY_ASSIGN(auto* insert, impl_->prepare("INSERT OR REPLACE INTO base_image(id, config, manifest) VALUES(?,?,?)"));
    return impl_->write(
        [&] { return Query(impl_->database, insert).bind(base.id).bind(base.config).bind(base.manifest).run(); });
}

Result<std::optional<std::string>> Index::find_pin(std::string_view reference) {
    DBUILD_TRY_ASSIGN(auto* select, impl_->prepare("SELECT id FROM base_pin WHERE reference = ?"));
    Query query(impl_->database, select);
    DBUILD_TRY_ASSIGN(const bool found, query.bind(reference).step());
    if (!found) return std::nullopt;
    return std::string(query.bytes(0));
}

Status Index::record_pin(std::string_view reference, std::string_view id) {
    DBUILD_TRY_ASSIGN(const auto known, find_pin(reference));
    if (known == id) return {};
    DBUILD_TRY_ASSIGN(auto* insert, impl_->prepare("INSERT OR REPLACE INTO base_pin(reference, id) VALUES(?,?)"));
    return impl_->write([&] { return Query(impl_->database, insert).bind(reference).bind(id).run(); });
}

} // namespace dbuild::cache::store
