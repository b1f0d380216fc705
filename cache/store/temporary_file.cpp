// SPDX-License-Identifier: Apache-2.0
#include "cache/store/temporary_file.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace fs = std::filesystem;

namespace dbuild::cache::store {
namespace {

tl::unexpected<Error> errno_failure(std::string_view what, const fs::path& path) {
    return fail(ErrorKind::unavailable, std::string(what) + " " + path.string() + ": " + std::strerror(errno));
}

} // namespace

Result<TemporaryFile> TemporaryFile::create(const fs::path& folder) {
    for (;;) {
        std::string pattern = (folder / "tmp-XXXXXX").string();
        Fd fd(::mkostemp(pattern.data(), O_CLOEXEC));
        if (!fd.is_open()) return errno_failure("cannot create", pattern);
        DBUILD_TRY(lock(fd.get(), pattern));
        if (has_name(fd.get(), pattern)) return TemporaryFile(pattern, std::move(fd));
        // Else somebody removed it: between its creation and its lock it looked abandoned.
    }
}

Result<TemporaryFile> TemporaryFile::link(const fs::path& folder, const fs::path& whole) {
    DBUILD_TRY_ASSIGN(const auto placeholder, create(folder)); // for its unique name
    const auto name = placeholder.path().string() + "-linked";
    Fd fd(::open(whole.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.is_open()) return errno_failure("cannot open", whole);
    // Before it has the name, which would look abandoned without a lock. Whoever else holds it may keep it for long.
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return errno_failure("cannot lock", whole);
    if (::link(whole.c_str(), name.c_str()) != 0) return errno_failure("cannot link", whole);
    return TemporaryFile(name, std::move(fd));
}

Status TemporaryFile::lock(int fd, const fs::path& path) {
    while (::flock(fd, LOCK_EX) != 0)
        if (errno != EINTR) return errno_failure("cannot lock", path);
    return {};
}

TemporaryFile::TemporaryFile(TemporaryFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::move(other.fd_)), is_published_(other.is_published_) {}

TemporaryFile::~TemporaryFile() {
    if (fd_.is_open() && !is_published_) ::unlink(path_.c_str());
}

Status TemporaryFile::write(std::string_view bytes) { return write_all(fd_.get(), bytes, path_); }

Status TemporaryFile::publish(const fs::path& final_path) {
    if (::rename(path_.c_str(), final_path.c_str()) != 0) return errno_failure("cannot rename to", final_path);
    is_published_ = true;
    path_ = final_path;
    return {};
}

Status TemporaryFile::commit(const fs::path& final_path) {
    if (::fdatasync(fd_.get()) != 0) return errno_failure("cannot sync", path_);
    DBUILD_TRY(publish(final_path));
    const auto folder = final_path.parent_path();
    const Fd directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory.is_open() || ::fsync(directory.get()) != 0) return errno_failure("cannot sync folder", folder);
    return {};
}

Result<std::optional<Fd>> lock_if_abandoned(const fs::path& path) {
    Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd.is_open() && errno == ENOENT) return std::nullopt;
    if (!fd.is_open()) return errno_failure("cannot open", path);
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return std::nullopt;
    return has_name(fd.get(), path) ? std::optional(std::move(fd)) : std::nullopt;
}

bool has_name(int fd, const fs::path& path) {
    struct stat mine {
    }, named{};
    return ::fstat(fd, &mine) == 0 && ::stat(path.c_str(), &named) == 0 && mine.st_ino == named.st_ino;
}

Status remove_abandoned(const fs::path& folder) {
    DBUILD_TRY_ASSIGN(const auto paths, list_folder(folder));
    for (const auto& path : paths) {
        if (!path.filename().string().starts_with("tmp-")) continue;
        if (const auto locked = lock_if_abandoned(path); locked && *locked) ::unlink(path.c_str());
    }
    return {};
}

} // namespace dbuild::cache::store
