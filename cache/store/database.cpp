// SPDX-License-Identifier: Apache-2.0
#include "cache/store/database.hpp"

#include "cache/store/reserve.hpp"
#include "cache/store/schema.hpp" // generated from schema.sql and migrations/
#include "support/files.hpp"

#include <sqlite3.h>

#include <array>
#include <chrono>
#include <cstring>
#include <map>
#include <optional>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace fs = std::filesystem;

namespace dbuild::cache::store {
namespace {

constexpr int k_busy_milliseconds = 5000;
constexpr std::uint64_t k_log_bytes = 4u << 20;              // of the write-ahead log, while we write
constexpr std::uint64_t k_log_left_behind_bytes = 64u << 10; // reading that much again takes about 0.1 ms

} // namespace

std::string_view unsafe_file_system(std::uint64_t magic) {
    // Magic numbers of linux/magic.h and of the file systems' own sources.
    struct Known {
        std::uint64_t magic;
        std::string_view name;
    };
    static constexpr std::array<Known, 11> k_known{{{0x6969, "NFS"},
                                                    {0x517b, "SMB"},
                                                    {0xff534d42, "CIFS"},
                                                    {0xfe534d42, "SMB2"},
                                                    {0x65735546, "FUSE"},
                                                    {0x01021997, "9p"},
                                                    {0x6a656a63, "virtiofs"},
                                                    {0x00c36400, "Ceph"},
                                                    {0x0bd00bd0, "Lustre"},
                                                    {0x47504653, "GPFS"},
                                                    {0x5346414f, "AFS"}}};
    for (const auto& known : k_known)
        if (known.magic == (magic & 0xffffffff)) return known.name;
    return {};
}

struct Database::Impl {
    fs::path root;
    Connection owner;
    std::map<std::string_view, sqlite3_stmt*> statements; // by their (literal) text
    std::vector<std::string> warnings;
    bool is_private = false;
    bool is_apart = false;     // of no cache folder
    bool is_reading = false;   // a read transaction is open
    bool has_written = false;  // so the log is ours to fold back
    bool was_replaced = false; // by a new one, because it was damaged
    ino_t opened_file = 0;

    ~Impl() {
        fold_back_at_end();
        close();
        if (has_written && !is_private) keep_reserve(root);
    }

    fs::path file() const { return root / "index.sqlite"; }

    void close() {
        for (auto& [text, statement] : statements) sqlite3_finalize(statement);
        statements.clear();
        is_reading = false;
        sqlite3_close(std::exchange(owner.handle, nullptr));
    }

    void begin_reading() {
        if (!is_reading && !is_private) is_reading = execute("BEGIN").has_value();
    }

    void end_reading() {
        if (std::exchange(is_reading, false)) (void)execute("COMMIT");
    }

    /// Brings the log back into the file: by the holder of write.lock alone, and never waiting for a reader.
    void fold_back() {
        sqlite3_busy_timeout(owner.handle, 0);
        sqlite3_wal_checkpoint_v2(owner.handle, nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
        sqlite3_busy_timeout(owner.handle, k_busy_milliseconds);
    }

    std::uint64_t log_bytes() const {
        std::error_code error;
        const auto size = fs::file_size(file().string() + "-wal", error);
        return error ? 0 : size;
    }

    /// The next process would have to read the whole log before its first look-up.
    void fold_back_at_end() {
        if (!owner.handle || is_private || !has_written || log_bytes() < k_log_left_behind_bytes) return;
        end_reading();
        const auto lock = FileLock::try_acquire(root / "write.lock"); // whoever has it writes, and will do it
        if (lock && *lock) fold_back();
    }

    Status execute(const std::string& sql) {
        const int code = sqlite3_exec(owner.handle, sql.c_str(), nullptr, nullptr, nullptr);
        if (code != SQLITE_OK) return owner.failure(code, "execute");
        return {};
    }

    Result<std::uint64_t> pragma(const char* sql) {
        sqlite3_stmt* statement = nullptr;
        int code = sqlite3_prepare_v2(owner.handle, sql, -1, &statement, nullptr);
        if (code == SQLITE_OK) code = sqlite3_step(statement);
        const auto value = code == SQLITE_ROW ? static_cast<std::uint64_t>(sqlite3_column_int64(statement, 0)) : 0;
        sqlite3_finalize(statement);
        if (code != SQLITE_ROW && code != SQLITE_DONE) return owner.failure(code, "read its format");
        return value;
    }

    /// `attempt`, and again as long as the disk is full and the reserve has something left.
    Status with_reserve(const std::function<Status()>& attempt) {
        for (;;) {
            Status done = attempt();
            const bool is_full = !done && done.error().kind == ErrorKind::no_space && !is_private;
            if (!is_full || !spend_reserve(root)) return done;
        }
    }

    Status open_file() {
        close();
        const int code = sqlite3_open_v2(file().c_str(), &owner.handle,
                                         SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
        if (code != SQLITE_OK) return owner.failure(code, "open " + file().string());
        opened_file = file_number();
        sqlite3_busy_timeout(owner.handle, k_busy_milliseconds);
        sqlite3_db_config(owner.handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
        DBUILD_TRY_ASSIGN(const auto version, pragma("PRAGMA user_version"));
        if (version > k_schema_version) return newer_format(version);
        if (version < k_schema_version) DBUILD_TRY(bring_up_to_date());
        return execute("PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=0");
    }

    /// Makes the schema, or changes an older one step by step, in one transaction.
    Status bring_up_to_date() {
        DBUILD_TRY_ASSIGN(auto lock, FileLock::acquire(root / "write.lock"));
        DBUILD_TRY(execute("PRAGMA journal_mode=WAL"));
        DBUILD_TRY(execute("BEGIN IMMEDIATE"));
        DBUILD_TRY_ASSIGN(const auto version, pragma("PRAGMA user_version")); // another process may have been faster
        Status done;
        done = version == 0 ? execute(k_schema) : migrate_from(version);
        if (done && version < k_schema_version)
            done = execute("PRAGMA user_version=" + std::to_string(k_schema_version));
        if (done) done = execute("COMMIT");
        if (!done) sqlite3_exec(owner.handle, "ROLLBACK", nullptr, nullptr, nullptr);
        return done;
    }

    Status migrate_from(std::uint64_t version) {
        for (; version < k_schema_version; ++version) DBUILD_TRY(execute(k_migrations[version - 1]));
        return {};
    }

    /// Which file that name stands for now; 0 if none.
    ino_t file_number() const {
        struct stat status {};
        return ::stat(file().c_str(), &status) == 0 ? status.st_ino : 0;
    }

    /// The damaged file stays for whoever wants to look at it; its log goes with it, or the next file would take it for
    /// its own.
    Status set_aside() {
        close();
        DBUILD_TRY_ASSIGN(auto lock, FileLock::acquire(root / "write.lock"));
        if (file_number() != opened_file) return {}; // somebody else did it, and has started a new one
        const auto seconds =
            std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch());
        const auto name = file().string() + ".corrupt-" + std::to_string(seconds.count());
        std::error_code error, ignored;
        fs::rename(file(), name, error);
        if (error) return fail(ErrorKind::unavailable, "cannot rename " + file().string() + ": " + error.message());
        fs::rename(file().string() + "-wal", name + "-wal", ignored);
        fs::remove(file().string() + "-shm", ignored);
        warnings.push_back("the cache index was damaged and is kept as " + name +
                           "; a new one was started (\"dbuild cache rebuild-index\" finds the stored layers again)");
        return {};
    }

    /// Goes on with a copy in memory: all that is known serves, nothing is kept.
    Status go_private(const std::string& reason) {
        for (auto& [text, statement] : statements) sqlite3_finalize(statement);
        statements.clear();
        is_reading = false;
        if (owner.handle && sqlite3_get_autocommit(owner.handle) == 0)
            sqlite3_exec(owner.handle, "ROLLBACK", nullptr, nullptr, nullptr);
        auto* const disk = std::exchange(owner.handle, nullptr);
        const bool is_sound = !std::exchange(owner.is_damaged, false); // else nothing of it is believed
        DBUILD_TRY_ASSIGN(bool is_copied, copy_into_memory(is_sound ? disk : nullptr));
        sqlite3_close(disk);
        if (!is_copied &&
            is_sound) { // without a writable folder SQLite cannot use the log: what was not folded back yet is not
                        // seen
            sqlite3* source = nullptr;
            const auto uri = "file:" + file().string() + "?mode=ro&immutable=1";
            sqlite3_open_v2(uri.c_str(), &source, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX,
                            nullptr);
            DBUILD_TRY_ASSIGN(is_copied, copy_into_memory(source));
            sqlite3_close(source);
        }
        is_private = true;
        warnings.push_back("the cache folder " + root.string() + " cannot be written (" + reason +
                           "): this run keeps nothing");
        return is_copied ? Status() : execute(k_schema);
    }

    /// Out: false — the source is nothing that could be copied; the database in memory is empty.
    /// Errors: unsupported — of a newer format.
    Result<bool> copy_into_memory(sqlite3* source) {
        sqlite3_close(std::exchange(owner.handle, nullptr));
        const int code =
            sqlite3_open_v2(":memory:", &owner.handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
        if (code != SQLITE_OK) return owner.failure(code, "open a database in memory");
        auto* backup = source ? sqlite3_backup_init(owner.handle, "main", source, "main") : nullptr;
        if (!backup) return false;
        const bool is_done = sqlite3_backup_step(backup, -1) == SQLITE_DONE;
        sqlite3_backup_finish(backup);
        if (!is_done) return false;
        DBUILD_TRY_ASSIGN(const auto version, pragma("PRAGMA user_version"));
        if (version > k_schema_version) return newer_format(version);
        if (version != 0) DBUILD_TRY(migrate_from(version));
        return version != 0;
    }

    tl::unexpected<Error> newer_format(std::uint64_t version) const {
        return fail(ErrorKind::unsupported, "cache index " + file().string() + " has format " +
                                                std::to_string(version) + ", this dbuild knows format " +
                                                std::to_string(k_schema_version));
    }

    Status transact(const std::function<Status()>& body) {
        end_reading(); // a transaction that read cannot become one that writes
        std::optional<FileLock> lock;
        if (!is_private) {
            DBUILD_TRY_ASSIGN(lock, FileLock::acquire(root / "write.lock"));
        }
        DBUILD_TRY(execute("BEGIN IMMEDIATE"));
        Status done = body();
        if (done) done = execute("COMMIT");
        if (!done) {
            sqlite3_exec(owner.handle, "ROLLBACK", nullptr, nullptr, nullptr);
            return done;
        }
        has_written = true;
        if (!is_private && log_bytes() > k_log_bytes) fold_back();
        return done;
    }

    /// Starts a new file in place of a damaged one, or one in memory where that fails too.
    Status mend() {
        if (!owner.is_damaged) return {};
        if (is_apart) return fail(ErrorKind::corrupt, "a database in memory is damaged");
        Status done = is_private ? fail(ErrorKind::corrupt, "it is damaged") : set_aside();
        was_replaced = true;
        if (done) {
            owner.is_damaged = false;
            done = with_reserve([&] { return open_file(); });
        }
        if (done) return done;
        owner.is_damaged = true;
        return go_private(done.error().message);
    }
};

Database::Database(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Database::Database(Database&&) noexcept = default;
Database::~Database() = default;

Result<Database> Database::open(const fs::path& root) {
    auto impl = std::make_unique<Impl>();
    impl->root = root;
    Status done = make_directories(root);
    struct statfs status {};
    if (done && ::statfs(root.c_str(), &status) == 0)
        if (const auto name = unsafe_file_system(static_cast<std::uint64_t>(status.f_type)); !name.empty())
            return fail(ErrorKind::unsupported,
                        "the cache folder " + root.string() + " is on " + std::string(name) +
                            ", where the index would be damaged; choose a local one by DBUILD_CACHE_DIR");
    if (done && ::access(root.c_str(), W_OK) != 0)
        done = fail(ErrorKind::unavailable, std::string(std::strerror(errno)));
    if (done) done = impl->with_reserve([&] { return impl->open_file(); });
    if (!done && impl->owner.is_damaged) done = impl->mend();
    if (!done && done.error().kind == ErrorKind::unsupported) return fail(std::move(done).error());
    if (!done) DBUILD_TRY(impl->go_private(done.error().message));
    return Database(std::move(impl));
}

Result<Database> Database::create_in_memory(const std::string& schema) {
    auto impl = std::make_unique<Impl>();
    impl->is_private = impl->is_apart = true;
    DBUILD_TRY(impl->copy_into_memory(nullptr));
    DBUILD_TRY(impl->execute(schema));
    return Database(std::move(impl));
}

Result<Database> Database::read_foreign(std::string_view bytes, const std::string& schema, std::uint64_t version) {
    DBUILD_TRY_ASSIGN(auto own, create_in_memory(schema));
    auto impl = std::make_unique<Impl>();
    impl->is_private = impl->is_apart = true;
    DBUILD_TRY(impl->copy_into_memory(nullptr));
    auto* const handle = impl->owner.handle;
    auto* const copy = static_cast<unsigned char*>(sqlite3_malloc64(bytes.size() + 1)); // which SQLite frees
    if (!copy) return fail(ErrorKind::unavailable, "no memory for a database");
    std::memcpy(copy, bytes.data(), bytes.size());
    const auto size = static_cast<sqlite3_int64>(bytes.size());
    const int code = sqlite3_deserialize(handle, "main", copy, size, size,
                                         SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_READONLY);
    if (code != SQLITE_OK) return impl->owner.failure(code, "read foreign rows");
    sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
    DBUILD_TRY(impl->execute("PRAGMA cell_size_check=ON"));
    DBUILD_TRY_ASSIGN(const auto found, impl->pragma("PRAGMA user_version"));
    if (found > version) return fail(ErrorKind::unsupported, "made by a newer dbuild");
    Database foreign(std::move(impl));
    DBUILD_TRY_ASSIGN(const auto tables, foreign.schema());
    DBUILD_TRY_ASSIGN(const auto expected, own.schema());
    if (tables != expected) return fail(ErrorKind::corrupt, "a database with other tables than ours");
    DBUILD_TRY_ASSIGN(auto check, foreign.query("PRAGMA quick_check(1)"));
    DBUILD_TRY_ASSIGN(const bool is_told, check.step());
    if (!is_told || check.bytes(0) != "ok") return fail(ErrorKind::corrupt, "a damaged database");
    return foreign;
}

/// Everything that is defined in it, as text.
Result<std::string> Database::schema() {
    DBUILD_TRY_ASSIGN(auto rows, query("SELECT type || ' ' || name || ' ' || COALESCE(sql, '') FROM sqlite_master "
                                       "ORDER BY type, name"));
    std::string text;
    for (;;) {
        DBUILD_TRY_ASSIGN(const bool found, rows.step());
        if (!found) return text;
        text.append(rows.bytes(0)).append("\n");
    }
}

Result<std::string> Database::to_bytes() {
    sqlite3_int64 size = 0;
    auto* const bytes = sqlite3_serialize(impl_->owner.handle, "main", &size, 0);
    if (!bytes) return fail(ErrorKind::unavailable, "no memory for a database");
    std::string copy(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
    sqlite3_free(bytes);
    return copy;
}

Result<Query> Database::query(std::string_view sql) {
    DBUILD_TRY(impl_->mend());
    const auto found = impl_->statements.find(sql);
    if (found != impl_->statements.end()) return Query(&impl_->owner, found->second);
    sqlite3_stmt* statement = nullptr;
    const int code = sqlite3_prepare_v3(impl_->owner.handle, sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (code != SQLITE_OK) return impl_->owner.failure(code, "prepare a statement");
    impl_->statements.emplace(sql, statement);
    return Query(&impl_->owner, statement);
}

Status Database::write(const std::function<Status()>& body) {
    DBUILD_TRY(impl_->mend());
    Status done = impl_->with_reserve([&] { return impl_->transact(body); });
    if (!done && impl_->owner.is_damaged && !impl_->is_apart) { // what is to be kept is kept in a new one
        DBUILD_TRY(impl_->mend());
        done = impl_->with_reserve([&] { return impl_->transact(body); });
    }
    const bool is_disk_trouble =
        !done && (done.error().kind == ErrorKind::unavailable || done.error().kind == ErrorKind::no_space);
    if (!is_disk_trouble || impl_->is_private || impl_->owner.is_damaged) return done;
    DBUILD_TRY(impl_->go_private(done.error().message));
    return impl_->transact(body);
}

void Database::begin_reading() { impl_->begin_reading(); }
void Database::end_reading() { impl_->end_reading(); }
Status Database::execute(const std::string& sql) { return impl_->execute(sql); }

std::uint64_t Database::bytes() const {
    std::uint64_t total = 0;
    if (impl_->is_private) return total;
    for (const auto* suffix : {"", "-wal"}) {
        std::error_code error;
        const auto size = fs::file_size(impl_->file().string() + suffix, error);
        if (!error) total += size;
    }
    return total;
}

bool Database::is_private() const { return impl_->is_private; }
bool Database::was_damaged() const { return impl_->owner.is_damaged || impl_->was_replaced; }
std::vector<std::string> Database::take_warnings() { return std::exchange(impl_->warnings, {}); }

} // namespace dbuild::cache::store
