// SPDX-License-Identifier: Apache-2.0
#include "cache/remote/directory_files.hpp"

#include "support/environment.hpp"

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <random>
#include <sys/stat.h>
#include <unistd.h>

namespace fs = std::filesystem;

namespace dbuild::cache::remote {
namespace {

/// The value of SUDO_UID and the like.
std::optional<unsigned> number_in(const char* variable) {
    const auto text = environment(variable);
    unsigned number = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
    return !text.empty() && parsed.ptr == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

Status sync_folder(const fs::path& folder) {
    const Fd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd.is_open()) return remote_failure("open", folder);
    if (::fsync(fd.get()) != 0 && errno != EINVAL && errno != ENOTSUP) return remote_failure("sync", folder);
    return {};
}

/// Where the answer of a network file system was lost, the call was repeated, and failed because it had been done.
bool is_same_file(const struct stat& file, const fs::path& name) {
    struct stat named {};
    return ::stat(name.c_str(), &named) == 0 && named.st_ino == file.st_ino && named.st_dev == file.st_dev;
}

} // namespace

std::optional<Owner> invoking_user() {
    if (::geteuid() != 0) return std::nullopt;
    const auto user = number_in("SUDO_UID"), group = number_in("SUDO_GID");
    if (!user || !group) return std::nullopt;
    return Owner{*user, *group};
}

bool is_missing(int error) { return error == ENOENT || error == ENOTDIR || error == ESTALE; }

tl::unexpected<Error> remote_failure(std::string_view verb, const fs::path& path) {
    const int error = errno;
    auto kind = ErrorKind::unavailable;
    if (error == EACCES || error == EPERM || error == EROFS) kind = ErrorKind::unauthorized;
    if (error == ENOSPC || error == EDQUOT) kind = ErrorKind::no_space;
    if (error == ESTALE || error == ETIMEDOUT || error == EAGAIN || error == EBUSY || error == EIO)
        kind = ErrorKind::transient;
    return fail(kind, "cannot " + std::string(verb) + " " + path.string() + ": " + std::strerror(error));
}

Result<bool> touch(const fs::path& path) {
    if (::utimensat(AT_FDCWD, path.c_str(), nullptr, 0) == 0) return true; // null: the server's clock
    if (is_missing(errno)) return false;
    if (errno == EACCES || errno == EPERM || errno == EROFS) return ::access(path.c_str(), F_OK) == 0;
    return remote_failure("touch", path);
}

Status make_owned_folders(const fs::path& folder, const std::optional<Owner>& owner) {
    struct stat status {};
    if (folder.empty() || ::stat(folder.c_str(), &status) == 0) return {};
    DBUILD_TRY(make_owned_folders(folder.parent_path(), owner));
    if (::mkdir(folder.c_str(), 0777) != 0 && errno != EEXIST) return remote_failure("make folder", folder);
    if (owner && ::chown(folder.c_str(), owner->user, owner->group) != 0) return remote_failure("give away", folder);
    return {};
}

Result<OwnedFile> OwnedFile::create(const fs::path& folder, const std::optional<Owner>& owner) {
    static constexpr int k_names = 100;
    std::random_device random; // several machines write into one folder
    for (int i = 0; i < k_names; ++i) {
        const auto path = folder / ("tmp-" + std::to_string(random()) + "-" + std::to_string(random()));
        Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666)); // readable as the umask says
        if (!fd.is_open() && errno == EEXIST) continue;
        if (!fd.is_open()) return remote_failure("create", path);
        OwnedFile file(path, std::move(fd));
        if (owner && ::fchown(file.fd(), owner->user, owner->group) != 0) return remote_failure("give away", path);
        return file;
    }
    return fail(ErrorKind::unavailable, "cannot find a name for a file in " + folder.string());
}

OwnedFile::~OwnedFile() {
    if (!path_.empty()) ::unlink(path_.c_str());
}

Status OwnedFile::write(std::string_view bytes) { return write_all(fd_.get(), bytes, path_); }

/// NFS tells of a full disk as late as on closing.
Status OwnedFile::sync_and_close() {
    if (::fdatasync(fd_.get()) != 0) return remote_failure("sync", path_);
    if (::close(fd_.release()) != 0) return remote_failure("close", path_);
    return {};
}

Status OwnedFile::rename_to(const fs::path& name) {
    struct stat status {};
    if (::fstat(fd_.get(), &status) != 0) return remote_failure("read", path_);
    DBUILD_TRY(sync_and_close());
    if (::rename(path_.c_str(), name.c_str()) != 0 && !(errno == ENOENT && is_same_file(status, name))) {
        errno = errno == ENOENT ? ESTALE : errno; // a folder that somebody removed: trying again makes it
        return remote_failure("rename to", name);
    }
    path_.clear();
    return sync_folder(name.parent_path());
}

Result<bool> OwnedFile::link_to(const fs::path& name) {
    struct stat status {};
    if (::fstat(fd_.get(), &status) != 0) return remote_failure("read", path_);
    DBUILD_TRY(sync_and_close());
    if (::link(path_.c_str(), name.c_str()) != 0) {
        if (errno == EPERM || errno == ENOTSUP || errno == ENOSYS) return move_to(name); // FAT and some shares
        if (errno == EEXIST && !is_same_file(status, name)) return false;
        if (errno != EEXIST) return remote_failure("link to", name);
    }
    DBUILD_TRY(sync_folder(name.parent_path()));
    return true; // the temporary name goes with this object
}

/// For file systems that cannot give a file a second name.
Result<bool> OwnedFile::move_to(const fs::path& name) {
    if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, name.c_str(), RENAME_NOREPLACE) != 0) {
        if (errno == EEXIST) return false;
        return remote_failure("rename to", name);
    }
    path_.clear();
    DBUILD_TRY(sync_folder(name.parent_path()));
    return true;
}

} // namespace dbuild::cache::remote
