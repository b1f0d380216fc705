// SPDX-License-Identifier: Apache-2.0
#include "support/files.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace fs = std::filesystem;

namespace dbuild {
namespace {

tl::unexpected<Error> errno_failure(std::string_view what, const fs::path& path) {
    const int number = errno;
    const auto kind = number == ENOENT                       ? ErrorKind::not_found
                      : number == ENOSPC || number == EDQUOT ? ErrorKind::no_space
                                                             : ErrorKind::unavailable;
    return fail(kind, std::string(what) + " " + path.string() + ": " + std::strerror(number));
}

} // namespace

Fd& Fd::operator=(Fd&& other) noexcept {
    if (this != &other) {
        reset();
        fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
}

void Fd::reset() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
}

Result<Fd> open_for_reading(const fs::path& path) {
    Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.is_open()) return errno_failure("cannot open", path);
    return fd;
}

Fd open_below(int folder, const std::string& path, int flags) {
    open_how how{};
    how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    return Fd(static_cast<int>(::syscall(SYS_openat2, folder, path.empty() ? "." : path.c_str(), &how, sizeof how)));
}

Fd open_below_where_possible(int folder, const std::string& path, int flags) {
    Fd fd = open_below(folder, path, flags);
    if (fd.is_open() || (errno != ENOSYS && errno != EPERM)) return fd;
    return Fd(::openat(folder, path.empty() ? "." : path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW));
}

Result<std::string> read_file(const fs::path& path) {
    DBUILD_TRY_ASSIGN(Fd fd, open_for_reading(path));
    struct stat status {};
    std::string content;
    if (::fstat(fd.get(), &status) == 0 && status.st_size > 0)
        content.reserve(static_cast<std::size_t>(status.st_size) + 1);
    char buffer[65536];
    for (;;) {
        const ssize_t count = ::read(fd.get(), buffer, sizeof buffer);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return errno_failure("cannot read", path);
        if (count == 0) return content;
        content.append(buffer, static_cast<std::size_t>(count));
    }
}

Status write_all(int fd, std::string_view bytes, const fs::path& name) {
    while (!bytes.empty()) {
        const ssize_t count = ::write(fd, bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return errno_failure("cannot write", name);
        bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return {};
}

Status write_file(const fs::path& path, std::string_view bytes) {
    Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!fd.is_open()) return errno_failure("cannot create", path);
    return write_all(fd.get(), bytes, path);
}

Result<std::vector<fs::path>> list_folder(const fs::path& folder) {
    std::vector<fs::path> paths;
    std::error_code error;
    for (fs::directory_iterator item(folder, error), end; !error && item != end; item.increment(error))
        paths.push_back(item->path());
    if (error && error != std::errc::no_such_file_or_directory && error != std::errc::not_a_directory)
        return fail(ErrorKind::unavailable, "cannot list folder " + folder.string() + ": " + error.message());
    return paths;
}

Status make_directories(const fs::path& path) {
    std::error_code error;
    fs::create_directories(path, error);
    if (error) return fail(ErrorKind::unavailable, "cannot create folder " + path.string() + ": " + error.message());
    return {};
}

void spread_folders_of(const fs::path& folder) {
    const Fd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    int flags = 0;
    if (!fd.is_open() || ::ioctl(fd.get(), FS_IOC_GETFLAGS, &flags) != 0 || (flags & FS_TOPDIR_FL) != 0) return;
    flags |= FS_TOPDIR_FL;
    (void)::ioctl(fd.get(), FS_IOC_SETFLAGS, &flags);
}

AtomicFile::AtomicFile(fs::path final_path, fs::path temporary, Fd fd)
    : final_path_(std::move(final_path)), temporary_(std::move(temporary)), fd_(std::move(fd)) {}

Result<AtomicFile> AtomicFile::create(fs::path final_path) {
    std::string pattern = final_path.string() + ".tmp-XXXXXX";
    Fd fd(::mkostemp(pattern.data(), O_CLOEXEC));
    if (!fd.is_open()) return errno_failure("cannot create", pattern);
    return AtomicFile(std::move(final_path), pattern, std::move(fd));
}

AtomicFile::~AtomicFile() {
    if (fd_.is_open()) ::unlink(temporary_.c_str());
}

Status AtomicFile::write(std::string_view bytes) { return write_all(fd_.get(), bytes, temporary_); }

Status AtomicFile::commit(Durability durability) {
    const bool is_synced = durability == Durability::synced;
    if (is_synced && ::fdatasync(fd_.get()) != 0) return errno_failure("cannot sync", temporary_);
    if (::rename(temporary_.c_str(), final_path_.c_str()) != 0) return errno_failure("cannot rename to", final_path_);
    fd_.reset();
    if (!is_synced) return {};
    const fs::path folder = final_path_.has_parent_path() ? final_path_.parent_path() : fs::path(".");
    Fd directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory.is_open() || ::fsync(directory.get()) != 0) return errno_failure("cannot sync folder", folder);
    return {};
}

Result<TempDir> TempDir::create(std::string_view prefix) {
    const char* base = std::getenv("TMPDIR");
    std::string pattern = (fs::path(base && *base ? base : "/tmp") / prefix).string() + "-XXXXXX";
    if (!::mkdtemp(pattern.data())) return errno_failure("cannot create folder", pattern);
    return TempDir(fs::path(pattern));
}

TempDir::~TempDir() {
    if (path_.empty()) return;
    std::error_code ignored; // a folder left behind in /tmp is no reason to fail
    fs::remove_all(path_, ignored);
}

Result<FileLock> FileLock::acquire(const fs::path& path) {
    Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
    if (!fd.is_open()) return errno_failure("cannot open", path);
    while (::flock(fd.get(), LOCK_EX) != 0)
        if (errno != EINTR) return errno_failure("cannot lock", path);
    return FileLock(std::move(fd));
}

Result<std::optional<FileLock>> FileLock::try_acquire(const fs::path& path) {
    Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
    if (!fd.is_open()) return errno_failure("cannot open", path);
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return FileLock(std::move(fd));
    if (errno == EWOULDBLOCK) return std::nullopt;
    return errno_failure("cannot lock", path);
}

} // namespace dbuild
