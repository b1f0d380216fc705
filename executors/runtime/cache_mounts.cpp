// SPDX-License-Identifier: Apache-2.0
#include "executors/runtime/cache_mounts.hpp"

#include "support/digest.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace fs = std::filesystem;

namespace dbuild::executors::runtime {
namespace {

constexpr auto k_poll = std::chrono::milliseconds(100); // BuildKit's

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
        DBUILD_TRY_ASSIGN(auto lock, try_lock(path.string() + ".lock", how));
        if (lock) {
            DBUILD_TRY(make_folder(path, mount));
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

Status empty_cache_folder(const fs::path& root, const CommandMount& mount) {
    DBUILD_TRY(make_directories(root));
    const auto path = root / cache_folder_name(mount);
    DBUILD_TRY_ASSIGN(const auto lock, try_lock(path.string() + ".lock", LOCK_EX));
    if (!lock) return {};
    DBUILD_TRY_ASSIGN(const auto entries, list_folder(path));
    std::error_code error;
    for (const auto& entry : entries)
        if (!error) fs::remove_all(entry, error);
    if (error) return fail(ErrorKind::unavailable, fmt::format("cannot empty {}: {}", path.string(), error.message()));
    return {};
}

} // namespace dbuild::executors::runtime
