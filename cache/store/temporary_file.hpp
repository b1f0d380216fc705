// SPDX-License-Identifier: Apache-2.0
// A file of the store while it is written: locked by its writer, so that what a dead process left behind can be told
// apart from what a living one is working on. The kernel releases the lock with the process.
#pragma once

#include "support/files.hpp"
#include "support/result.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>

namespace dbuild::cache::store {

class TemporaryFile {
public:
    /// In: folder — exists, on the file system of the later final path.
    static Result<TemporaryFile> create(const std::filesystem::path& folder);
    /// A second name of a whole file that nobody changes any more. Errors: unavailable — also on another file
    /// system, and while somebody holds a lock on it.
    static Result<TemporaryFile> link(const std::filesystem::path& folder, const std::filesystem::path& whole);
    TemporaryFile(TemporaryFile&& other) noexcept;
    TemporaryFile& operator=(TemporaryFile&&) = delete;
    /// Removes the file unless it was published.
    ~TemporaryFile();

    int fd() const { return fd_.get(); }
    const std::filesystem::path& path() const { return path_; }
    Status write(std::string_view bytes);
    /// Renames it: survives this process from now on, not a power cut. The lock stays until destruction.
    Status publish(const std::filesystem::path& final_path);
    /// fdatasync, publish, fsync of the folder: survives a power cut.
    Status commit(const std::filesystem::path& final_path);

private:
    static Status lock(int fd, const std::filesystem::path& path);
    TemporaryFile(std::filesystem::path path, Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
    std::filesystem::path path_;
    Fd fd_;
    bool is_published_ = false;
};

/// The file, locked, if no living process holds its lock and it still has that name.
Result<std::optional<Fd>> lock_if_abandoned(const std::filesystem::path& path);

/// Whether that name stands for the open file still, and not for another one or none.
bool has_name(int fd, const std::filesystem::path& path);

/// Removes the temporary files of dead processes.
Status remove_abandoned(const std::filesystem::path& folder);

} // namespace dbuild::cache::store
