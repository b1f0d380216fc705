// SPDX-License-Identifier: Apache-2.0
#include "cache/remote/directory_backend.hpp"

#include "cache/remote/directory_files.hpp"
#include "support/http.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace fs = std::filesystem;

namespace dbuild::cache::remote {
namespace {

constexpr std::size_t k_copy_bytes = 1u << 20;
constexpr std::size_t k_max_name_bytes = 200; // of an encoded scope; file systems take 255
constexpr std::string_view k_scope_suffix = ".scope", k_index_suffix = ".index";
constexpr std::size_t k_tail_bytes = 64;
constexpr int k_reads_of_a_moving_index = 5;
constexpr std::int64_t k_abandoned_seconds = 24 * 3600; // a temporary file as old as that belongs to nobody

/// Of url_encode(). Holds nothing where it is not from there.
std::optional<std::string> decoded(std::string_view text) {
    std::string name;
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned char value = static_cast<unsigned char>(text[i]);
        if (text[i] == '%') {
            if (i + 2 >= text.size()) return std::nullopt;
            const auto* const end = text.data() + i + 3;
            if (std::from_chars(text.data() + i + 1, end, value, 16).ptr != end) return std::nullopt;
            i += 2;
        }
        name += static_cast<char>(value);
    }
    return name;
}

/// The number of an index file; 0: it is none.
std::uint64_t generation_of(const fs::path& path) {
    if (path.extension() != k_index_suffix) return 0;
    const auto stem = path.stem().string();
    std::uint64_t number = 0;
    const auto parsed = std::from_chars(stem.data(), stem.data() + stem.size(), number);
    return parsed.ec == std::errc() && parsed.ptr == stem.data() + stem.size() ? number : 0;
}

fs::path index_path(const fs::path& folder, std::uint64_t generation) {
    return folder / (std::to_string(generation) + std::string(k_index_suffix));
}

/// The number in a version_of().
std::uint64_t number_in(std::string_view version) {
    std::uint64_t number = 0;
    const auto parsed = std::from_chars(version.data(), version.data() + version.size(), number);
    return parsed.ec == std::errc() ? number : 0;
}

/// The number would do, had nobody ever emptied the folder: so also the size, and the last bytes, which end in the
/// checksum of the compressed index. In: tail — these bytes.
std::string version_of(std::uint64_t number, std::uint64_t size, std::string_view tail) {
    return std::to_string(number) + "-" + std::to_string(size) + "-" + sha256(tail).hex().substr(0, 16);
}

/// Errors: not_found — somebody removed it meanwhile; unavailable.
Result<std::string> version_of(const fs::path& index) {
    const Fd fd(::open(index.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.is_open() && is_missing(errno)) return fail(ErrorKind::not_found, index.string() + " is gone");
    struct stat status {};
    if (!fd.is_open() || ::fstat(fd.get(), &status) != 0) return remote_failure("read", index);
    const auto size = static_cast<std::size_t>(status.st_size);
    std::string tail(std::min(size, k_tail_bytes), '\0');
    const auto got = ::pread(fd.get(), tail.data(), tail.size(), static_cast<off_t>(size - tail.size()));
    if (got < 0) return remote_failure("read", index);
    tail.resize(static_cast<std::size_t>(got));
    return version_of(generation_of(index), size, tail);
}

class DirectoryBackend final : public Backend {
public:
    explicit DirectoryBackend(DirectoryOptions options) : options_(std::move(options)), owner_(invoking_user()) {}

    Result<std::optional<std::string>> read_pack(const Digest& name, std::uint64_t offset,
                                                 std::uint64_t count) override {
        const auto path = pack_path(name);
        const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
        if (!fd.is_open() && is_missing(errno)) return std::nullopt;
        if (!fd.is_open()) return remote_failure("open", path);
        std::string bytes(static_cast<std::size_t>(count), '\0');
        std::size_t done = 0;
        while (done < bytes.size()) {
            const auto got =
                ::pread(fd.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
            if (got < 0 && errno == EINTR) continue;
            if (got < 0 && errno == ESTALE) return std::nullopt; // removed on the server meanwhile
            if (got < 0) return remote_failure("read", path);
            if (got == 0) break;
            done += static_cast<std::size_t>(got);
        }
        bytes.resize(done);
        return bytes;
    }

    Result<std::vector<Digest>> find_packs(std::span<const Digest> names) override {
        std::vector<Digest> found;
        for (const auto& name : names) {
            DBUILD_TRY_ASSIGN(const bool is_there, use(pack_path(name)));
            if (is_there) found.push_back(name);
        }
        return found;
    }

    Status put_pack(const Digest& name, const fs::path& file) override {
        const auto path = pack_path(name);
        DBUILD_TRY_ASSIGN(const bool is_there, use(path));
        if (is_there) return {};
        DBUILD_TRY_ASSIGN(const Fd source, open_for_reading(file));
        struct stat status {};
        if (::fstat(source.get(), &status) != 0) return remote_failure("read", file);
        DBUILD_TRY(make_room(static_cast<std::uint64_t>(status.st_size)));
        DBUILD_TRY_ASSIGN(auto copy, new_file());
        DBUILD_TRY(copy_checked(source, file, name, copy));
        DBUILD_TRY(make_owned_folders(path.parent_path(), owner_));
        return copy.rename_to(path);
    }

    Result<std::optional<IndexFile>> read_index(std::string_view scope, std::string_view known) override {
        DBUILD_TRY_ASSIGN(const auto folder, scope_folder(scope));
        for (int attempt = 0; attempt < k_reads_of_a_moving_index; ++attempt) {
            DBUILD_TRY_ASSIGN(const auto generation, newest(folder));
            if (generation == 0) return std::nullopt;
            const auto path = index_path(folder, generation);
            auto version = version_of(path);
            if (version && *version == known) {
                (void)use(path); // an index that is read is worth as much as its packs
                return IndexFile{std::move(*version), {}};
            }
            auto bytes = version ? read_file(path) : Result<std::string>(fail(version.error()));
            if (bytes) {
                (void)use(path);
                return IndexFile{std::move(*version), std::move(*bytes)};
            }
            if (bytes.error().kind != ErrorKind::not_found) return fail(std::move(bytes).error());
        }
        return fail(ErrorKind::transient, "the index of scope " + std::string(scope) + " changes too fast");
    }

    /// Two writers want the same next number; the file system gives it to one of them. No number is given twice, as
    /// long as no writer sleeps for a day between looking and taking.
    Result<std::optional<std::string>> replace_index(std::string_view scope, std::string_view bytes,
                                                     std::string_view version_read) override {
        DBUILD_TRY_ASSIGN(const auto folder, scope_folder(scope));
        DBUILD_TRY_ASSIGN(const auto present, newest(folder));
        if (present == 0 ? !version_read.empty() : number_in(version_read) != present) return std::nullopt;
        DBUILD_TRY(make_room(bytes.size()));
        DBUILD_TRY_ASSIGN(auto file, new_file());
        DBUILD_TRY(file.write(bytes));
        DBUILD_TRY(make_owned_folders(folder, owner_));
        DBUILD_TRY_ASSIGN(const bool is_ours, file.link_to(index_path(folder, present + 1)));
        if (!is_ours) return std::nullopt;
        empty_older(folder, present); // whoever reads the one before may go on
        return version_of(present + 1, bytes.size(), bytes.substr(bytes.size() - std::min(bytes.size(), k_tail_bytes)));
    }

    Result<std::vector<ScopeEntry>> list_scopes() override {
        std::vector<ScopeEntry> scopes;
        DBUILD_TRY_ASSIGN(const auto folders, list_folder(options_.path / "scopes"));
        for (const auto& folder : folders) {
            const auto name = decoded(folder.stem().string());
            DBUILD_TRY_ASSIGN(const auto generation, newest(folder));
            struct stat status {};
            if (!name || folder.extension() != k_scope_suffix || generation == 0 ||
                ::stat(index_path(folder, generation).c_str(), &status) != 0)
                continue;
            scopes.push_back({*name, static_cast<std::uint64_t>(status.st_size), status.st_mtim.tv_sec});
        }
        return scopes;
    }

private:
    fs::path pack_path(const Digest& name) const {
        const auto hex = name.hex();
        return options_.path / "packs" / hex.substr(0, 2) / (hex + ".dbp");
    }

    Result<fs::path> scope_folder(std::string_view scope) const {
        const auto name = url_encode(scope);
        if (name.empty() || name.size() > k_max_name_bytes)
            return fail(ErrorKind::unavailable, "not a name for a published scope: \"" + std::string(scope) + "\"");
        return options_.path / "scopes" / (name + std::string(k_scope_suffix));
    }

    /// Out: false — it is not there.
    Result<bool> use(const fs::path& path) const {
        if (options_.is_writable) return touch(path);
        std::error_code error;
        return fs::exists(path, error);
    }

    Result<OwnedFile> new_file() const {
        const auto folder = options_.path / "tmp";
        DBUILD_TRY(make_owned_folders(folder, owner_));
        return OwnedFile::create(folder, owner_);
    }

    static Result<std::uint64_t> newest(const fs::path& folder) {
        DBUILD_TRY_ASSIGN(const auto paths, list_folder(folder));
        std::uint64_t generation = 0;
        for (const auto& path : paths) generation = std::max(generation, generation_of(path));
        return generation;
    }

    /// Their numbers stay taken for a day, their bytes go.
    void empty_older(const fs::path& folder, std::uint64_t generation) const {
        const auto paths = list_folder(folder);
        const auto now = file_system_time();
        if (!paths) return;
        for (const auto& path : *paths) {
            const auto number = generation_of(path);
            struct stat status {};
            if (number == 0 || number >= generation || ::stat(path.c_str(), &status) != 0) continue;
            if (status.st_size > 0)
                static_cast<void>(::truncate(path.c_str(), 0) == 0);
            else if (now && status.st_mtim.tv_sec + k_abandoned_seconds < *now)
                ::unlink(path.c_str());
        }
    }

    /// Seconds since 1970 by the clock of the file system, which may be another machine's.
    std::optional<std::int64_t> file_system_time() const {
        struct stat now {};
        const auto file = new_file();
        if (!file || ::fstat(file->fd(), &now) != 0) return std::nullopt;
        return now.st_mtim.tv_sec;
    }

    /// What does not match its name is not passed on.
    Status copy_checked(const Fd& source, const fs::path& name_of_source, const Digest& name, OwnedFile& copy) const {
        Sha256 hasher;
        std::string buffer(k_copy_bytes, '\0');
        for (;;) {
            if (options_.is_cancelled && options_.is_cancelled()) return fail(ErrorKind::interrupted, "interrupted");
            const auto got = ::read(source.get(), buffer.data(), buffer.size());
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) return remote_failure("read", name_of_source);
            if (got == 0) break;
            const std::string_view bytes(buffer.data(), static_cast<std::size_t>(got));
            hasher.update(bytes);
            DBUILD_TRY(copy.write(bytes));
        }
        if (hasher.finish() == name) return {};
        return fail(ErrorKind::unavailable, "pack " + name.hex() + " is damaged and was not published");
    }

    /// What goes as one: a pack, or a scope.
    struct Stored {
        fs::path path;
        std::uint64_t bytes = 0;
        std::int64_t used = 0; // nanoseconds since 1970
    };

    static std::optional<Stored> stored_at(const fs::path& path) {
        struct stat status {};
        if (::lstat(path.c_str(), &status) != 0) return std::nullopt;
        Stored stored{path, static_cast<std::uint64_t>(status.st_size),
                      status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec};
        if (!S_ISDIR(status.st_mode)) return stored;
        stored = {path, 0, 0};
        if (const auto paths = list_folder(path))
            for (const auto& inner : *paths)
                if (const auto part = stored_at(inner)) {
                    stored.bytes += part->bytes;
                    stored.used = std::max(stored.used, part->used);
                }
        return stored;
    }

    static void add_stored_below(const fs::path& folder, std::vector<Stored>& all) {
        if (const auto paths = list_folder(folder))
            for (const auto& path : *paths)
                if (auto stored = stored_at(path)) all.push_back(std::move(*stored));
    }

    /// Removes what was used least recently until that much more fits. Errors: no_space — it never will.
    Status make_room(std::uint64_t bytes) const {
        if (options_.max_bytes == 0) return {};
        if (bytes > options_.max_bytes)
            return fail(ErrorKind::no_space, "more than the limit of " + options_.path.string() + " in one file");
        std::vector<Stored> all, temporary;
        DBUILD_TRY_ASSIGN(const auto folders, list_folder(options_.path / "packs"));
        for (const auto& folder : folders) add_stored_below(folder, all);
        add_stored_below(options_.path / "scopes", all);
        add_stored_below(options_.path / "tmp", temporary);
        remove_abandoned(temporary);
        std::uint64_t total = bytes;
        for (const auto* list : {&all, &temporary})
            for (const auto& stored : *list) total += stored.bytes;
        std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.used < b.used; });
        for (auto oldest = all.begin(); oldest != all.end() && total > options_.max_bytes; ++oldest) {
            std::error_code error;
            fs::remove_all(oldest->path, error);
            if (!error) total -= oldest->bytes;
        }
        return {};
    }

    void remove_abandoned(std::vector<Stored>& temporary) const {
        if (temporary.empty()) return;
        const auto now = file_system_time();
        if (!now) return;
        std::erase_if(temporary, [&](const Stored& old) {
            return old.used / 1'000'000'000 + k_abandoned_seconds < *now && ::unlink(old.path.c_str()) == 0;
        });
    }

    DirectoryOptions options_;
    std::optional<Owner> owner_;
};

} // namespace

std::unique_ptr<Backend> make_directory_backend(DirectoryOptions options) {
    return std::make_unique<DirectoryBackend>(std::move(options));
}

} // namespace dbuild::cache::remote
