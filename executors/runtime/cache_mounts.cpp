// SPDX-License-Identifier: Apache-2.0
#include "executors/runtime/cache_mounts.hpp"

#include "support/digest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <map>
#include <sys/file.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace fs = std::filesystem;

namespace dbuild::executors::runtime {
namespace {

constexpr auto k_poll = std::chrono::milliseconds(100); // BuildKit's
constexpr const char* k_lock = ".lock";
constexpr std::uint64_t k_stat_block_bytes = 512;

/// Out: nothing — another RUN has it in a way that leaves no room.
Result<std::optional<Fd>> try_lock(const fs::path& path, int how) {
    Fd lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!lock.is_open())
        return fail(ErrorKind::unavailable, fmt::format("cannot open {}: {}", path.string(), std::strerror(errno)));
    if (::flock(lock.get(), how | LOCK_NB) == 0) return lock;
    if (errno == EWOULDBLOCK) return std::nullopt;
    return fail(ErrorKind::unavailable, fmt::format("cannot lock {}: {}", path.string(), std::strerror(errno)));
}

Status make_folder(const fs::path& folder, const CommandMount& mount) {
    if (::mkdir(folder.c_str(), 0700) != 0) {
        if (errno == EEXIST) return {};
        return fail(ErrorKind::unavailable, fmt::format("cannot make {}: {}", folder.string(), std::strerror(errno)));
    }
    if (::chown(folder.c_str(), mount.uid, mount.gid) != 0 || ::chmod(folder.c_str(), mount.mode) != 0)
        return fail(ErrorKind::unavailable, fmt::format("cannot own {}: {}", folder.string(), std::strerror(errno)));
    return {};
}

struct UnusedFolder {
    fs::path path;
    fs::file_time_type used; // last
};

/// All folders with a lock, the least recently used first.
Result<std::vector<UnusedFolder>> folders_by_use(const fs::path& root) {
    std::vector<UnusedFolder> folders;
    DBUILD_TRY_ASSIGN(const auto paths, list_folder(root));
    for (const auto& path : paths) {
        std::error_code error;
        const auto used = path.extension() == k_lock ? fs::last_write_time(path, error) : fs::file_time_type();
        if (path.extension() == k_lock && !error) folders.push_back({fs::path(path).replace_extension(), used});
    }
    std::sort(folders.begin(), folders.end(), [](const auto& a, const auto& b) { return a.used < b.used; });
    return folders;
}

/// What cannot be looked at counts as nothing: RUNs may be at work there.
std::uint64_t bytes_on_disk(const fs::path& folder) {
    std::uint64_t bytes = 0;
    std::error_code error;
    const auto options = fs::directory_options::skip_permission_denied;
    for (auto at = fs::recursive_directory_iterator(folder, options, error); !error && at != fs::end(at);
         at.increment(error)) {
        struct stat found {};
        if (::lstat(at->path().c_str(), &found) != 0) continue;
        const auto names = S_ISDIR(found.st_mode) ? 1 : std::max<nlink_t>(found.st_nlink, 1);
        bytes += static_cast<std::uint64_t>(found.st_blocks) * k_stat_block_bytes / names;
    }
    return bytes;
}

/// Out: whether it was there and went, or would; not if a RUN has it.
Result<bool> remove_folder(const fs::path& path, bool is_dry_run) {
    DBUILD_TRY_ASSIGN(const auto lock, try_lock(path.string() + k_lock, LOCK_EX));
    if (!lock) return false;
    std::error_code error;
    if (is_dry_run) return fs::exists(path, error);
    const auto gone = path.string() + ".gone";
    fs::remove_all(gone, error); // of somebody who did not come to the end
    if (error) return fail(ErrorKind::unavailable, fmt::format("cannot remove {}: {}", gone, error.message()));
    if (::rename(path.c_str(), gone.c_str()) != 0) {
        if (errno == ENOENT) return false;
        return fail(ErrorKind::unavailable, fmt::format("cannot remove {}: {}", path.string(), std::strerror(errno)));
    }
    fs::remove_all(gone, error); // what is left of it then goes next time
    return true;
}

} // namespace

std::string cache_folder_name(const CommandMount& mount) {
    return sha256(fmt::format("{}\n{}:{} {:o}", mount.cache_id, mount.uid, mount.gid, mount.mode)).hex();
}

Result<CacheFolder> take_cache_folder(const fs::path& root, const CommandMount& mount,
                                      const CancelCheck& is_cancelled) {
    DBUILD_TRY(make_directories(root));
    const auto name = cache_folder_name(mount);
    const int how = mount.sharing == CommandMount::Sharing::shared ? LOCK_SH : LOCK_EX;
    for (int copy = 0;;) {
        const auto path = root / (copy == 0 ? name : fmt::format("{}-{}", name, copy));
        DBUILD_TRY_ASSIGN(auto lock, try_lock(path.string() + k_lock, how));
        if (lock) {
            DBUILD_TRY(make_folder(path, mount));
            (void)::futimens(lock->get(), nullptr); // else it only goes earlier
            return CacheFolder{path, std::move(*lock)};
        }
        if (mount.sharing == CommandMount::Sharing::own_copy) {
            ++copy;
            continue;
        }
        if (is_cancelled && is_cancelled()) return fail(ErrorKind::interrupted, "interrupted");
        std::this_thread::sleep_for(k_poll);
    }
}

Result<std::size_t> prune_cache_folders(const fs::path& root, const CacheFolderLimits& limits, bool is_dry_run) {
    DBUILD_TRY_ASSIGN(const auto folders, folders_by_use(root));
    std::uint64_t bytes = 0; // of what is left
    std::map<fs::path, std::uint64_t> sizes;
    if (limits.max_bytes)
        for (const auto& folder : folders) bytes += sizes[folder.path] = bytes_on_disk(folder.path);
    std::size_t removed = 0;
    const auto now = fs::file_time_type::clock::now();
    for (const auto& folder : folders) {
        const bool is_old = limits.max_age && now - folder.used > *limits.max_age;
        if (!is_old && !(limits.max_bytes && bytes > *limits.max_bytes)) continue;
        DBUILD_TRY_ASSIGN(const bool is_gone, remove_folder(folder.path, is_dry_run));
        if (!is_gone) continue;
        ++removed;
        bytes -= sizes[folder.path];
    }
    return removed;
}

Result<std::uint64_t> cache_folder_bytes(const fs::path& root) {
    DBUILD_TRY_ASSIGN(const auto folders, folders_by_use(root));
    std::uint64_t bytes = 0;
    for (const auto& folder : folders) bytes += bytes_on_disk(folder.path);
    return bytes;
}

Status empty_cache_folder(const fs::path& root, const CommandMount& mount) {
    DBUILD_TRY(make_directories(root));
    const auto path = root / cache_folder_name(mount);
    DBUILD_TRY_ASSIGN(const auto lock, try_lock(path.string() + k_lock, LOCK_EX));
    if (!lock) return {};
    DBUILD_TRY_ASSIGN(const auto entries, list_folder(path));
    std::error_code error;
    for (const auto& entry : entries)
        if (!error) fs::remove_all(entry, error);
    if (error) return fail(ErrorKind::unavailable, fmt::format("cannot empty {}: {}", path.string(), error.message()));
    return {};
}

} // namespace dbuild::executors::runtime
