// SPDX-License-Identifier: Apache-2.0
// Files of a directory remote while they are written: whole or not there, on network shares too, and owned by whoever
// called sudo. Which files there are is directory_backend.cpp's business.
#pragma once

#include "support/files.hpp"
#include "support/result.hpp"

#include <filesystem>
#include <optional>
#include <string_view>
#include <sys/types.h>

namespace dbuild::cache::remote {

struct Owner {
    uid_t user = 0;
    gid_t group = 0;
};

/// Who called sudo. Holds nothing where this process is not root, or became it otherwise.
std::optional<Owner> invoking_user();

/// Whether an errno says that the file is not there (any more).
bool is_missing(int error);
/// What errno says, as a remote's error.
tl::unexpected<Error> remote_failure(std::string_view verb, const std::filesystem::path& path);

/// Gives the file the time of now. Out: false — it is not there. Where nothing may be written the time stays as it is.
Result<bool> touch(const std::filesystem::path& path);

Status make_owned_folders(const std::filesystem::path& folder, const std::optional<Owner>& owner);

class OwnedFile {
public:
    static Result<OwnedFile> create(const std::filesystem::path& folder, const std::optional<Owner>& owner);
    OwnedFile(OwnedFile&& other) noexcept : path_(std::exchange(other.path_, {})), fd_(std::move(other.fd_)) {}
    OwnedFile& operator=(OwnedFile&&) = delete;
    /// Removes the file unless it got its name.
    ~OwnedFile();

    int fd() const { return fd_.get(); }
    Status write(std::string_view bytes);
    /// Durable, and in place of whatever has that name.
    Status rename_to(const std::filesystem::path& name);
    /// Durable, unless there is a file of that name. Out: false — there is.
    Result<bool> link_to(const std::filesystem::path& name);

private:
    OwnedFile(std::filesystem::path path, Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
    Status sync_and_close();
    Result<bool> move_to(const std::filesystem::path& name);

    std::filesystem::path path_;
    Fd fd_;
};

} // namespace dbuild::cache::remote
