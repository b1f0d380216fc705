// SPDX-License-Identifier: Apache-2.0
// Files: owned descriptors, whole-file reads, atomic replacement, temporary folders, and a lock file.
// Whatever writes fails with no_space where the disk is full, besides the errors that it names.
#pragma once

#include "support/result.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dbuild {

/// An owned file descriptor, or -1.
class Fd {
public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept;
    ~Fd() { reset(); }

    int get() const { return fd_; }
    bool is_open() const { return fd_ >= 0; }
    void reset();
    /// The caller closes it from now on.
    int release() { return std::exchange(fd_, -1); }

private:
    int fd_ = -1;
};

/// Opens a file for reading (close-on-exec). Errors: not_found — no such file; unavailable — anything else.
Result<Fd> open_for_reading(const std::filesystem::path& path);

/// Opens what stands below a folder. No link is followed, neither at the end nor on the way, and nothing leads out of
/// it. In: path — "": the folder itself. flags — of open(2), O_CLOEXEC added. Out: closed, with errno set, if it fails.
Fd open_below(int folder, const std::string& path, int flags);

/// The same for folders that their own user could open too: before Linux 5.6, or in a sandbox that does not know
/// openat2, only the end is guarded.
Fd open_below_where_possible(int folder, const std::string& path, int flags);

/// The whole file. Errors: as open_for_reading; unavailable — a read failed.
Result<std::string> read_file(const std::filesystem::path& path);

/// Writes all bytes, repeating short writes. `name` is for the message. Errors: unavailable.
Status write_all(int fd, std::string_view bytes, const std::filesystem::path& name);

/// Writes a scratch file: not atomic, not synced. Errors: unavailable.
Status write_file(const std::filesystem::path& path, std::string_view bytes);

/// What a folder holds, in no order; "." and ".." left out. What is not there or no folder holds nothing. Errors:
/// unavailable.
Result<std::vector<std::filesystem::path>> list_folder(const std::filesystem::path& folder);

Status make_directories(const std::filesystem::path& path);

/// Tells the file system that the folders in this one are trees of their own. ext4 then puts each of them where there
/// is room, not beside files that were deleted a moment ago: for minutes it passes over their inodes one by one,
/// whenever a file is made. No effect on other file systems.
void spread_folders_of(const std::filesystem::path& folder);

/// A file that appears under its final name only by commit(): temporary file in the same folder, fdatasync, rename,
/// fsync of the folder. Without commit() nothing is left behind.
class AtomicFile {
public:
    static Result<AtomicFile> create(std::filesystem::path final_path);
    AtomicFile(AtomicFile&&) noexcept = default;
    AtomicFile& operator=(AtomicFile&&) = delete;
    ~AtomicFile();

    Status write(std::string_view bytes);
    /// `not_synced`: after a power cut the file may be empty, torn or the old one.
    enum class Durability { synced, not_synced };
    Status commit(Durability durability = Durability::synced);

private:
    AtomicFile(std::filesystem::path final_path, std::filesystem::path temporary, Fd fd);
    std::filesystem::path final_path_;
    std::filesystem::path temporary_;
    Fd fd_;
};

/// A private temporary folder (mode 0700), removed with everything in it by the destructor.
class TempDir {
public:
    /// Below TMPDIR or /tmp.
    static Result<TempDir> create(std::string_view prefix);
    TempDir(TempDir&& other) noexcept : path_(std::exchange(other.path_, {})) {}
    TempDir& operator=(TempDir&&) = delete;
    ~TempDir();
    const std::filesystem::path& path() const { return path_; }

private:
    explicit TempDir(std::filesystem::path path) : path_(std::move(path)) {}
    std::filesystem::path path_;
};

/// An exclusive flock on a file, held until destruction; waits for other holders.
class FileLock {
public:
    static Result<FileLock> acquire(const std::filesystem::path& path);
    /// Does not wait. Holds nothing if somebody else has it.
    static Result<std::optional<FileLock>> try_acquire(const std::filesystem::path& path);

private:
    explicit FileLock(Fd fd) : fd_(std::move(fd)) {}
    Fd fd_;
};

} // namespace dbuild
