// SPDX-License-Identifier: Apache-2.0
#include "executors/in_process/context_files.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace dbuild::executors::in_process {
namespace {

constexpr std::size_t k_buffer_bytes = std::size_t{1} << 17;

/// Errors: transient — gone, or a link now; unavailable.
Result<Fd> open_for_reading(int root, const std::string& path) {
    Fd fd = open_below_where_possible(root, path, O_RDONLY | O_NONBLOCK);
    if (fd.is_open()) return fd;
    const bool is_changed = errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == EXDEV;
    return fail(is_changed ? ErrorKind::transient : ErrorKind::unavailable,
                "cannot open " + path + " in the build context: " + std::strerror(errno));
}

Status read_below(int root, const std::string& path, const cache::oci::ByteSink& sink) {
    DBUILD_TRY_ASSIGN(const Fd fd, open_for_reading(root, path));
    thread_local std::string buffer(k_buffer_bytes, '\0');
    for (;;) {
        const auto count = ::read(fd.get(), buffer.data(), buffer.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0)
            return fail(ErrorKind::unavailable,
                        "cannot read " + path + " in the build context: " + std::strerror(errno));
        if (count == 0) return {};
        DBUILD_TRY(sink({buffer.data(), static_cast<std::size_t>(count)}));
    }
}

} // namespace

Result<ContextFiles> ContextFiles::open(const std::filesystem::path& root) {
    auto fd = std::make_shared<Fd>(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!fd->is_open())
        return fail(ErrorKind::unavailable, "cannot open " + root.string() + ": " + std::strerror(errno));
    return ContextFiles(std::move(fd));
}

CopiedEntry ContextFiles::file(cache::oci::LayerEntry entry) const {
    CopiedEntry copied;
    struct stat status {};
    const bool has_names =
        ::fstatat(root_->get(), entry.path.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 && status.st_nlink > 1;
    if (has_names && S_ISREG(status.st_mode)) // of two that were linked since they were hashed, each is read
        copied.link_group = fmt::format("{}.{}.{:o}.{}", status.st_dev, status.st_ino, entry.mode, entry.content.hex());
    copied.body = [root = root_, path = entry.path](const cache::oci::ByteSink& sink) {
        return read_below(root->get(), path, sink);
    };
    copied.entry = std::move(entry);
    return copied;
}

Result<Fd> ContextFiles::open_file(const std::string& path) const { return open_for_reading(root_->get(), path); }

bool ContextFiles::leads_somewhere(const std::string& path) const {
    open_how how{};
    how.flags = O_PATH | O_CLOEXEC;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    const Fd fd(static_cast<int>(::syscall(SYS_openat2, root_->get(), path.c_str(), &how, sizeof how)));
    return fd.is_open() || errno == ENOSYS;
}

} // namespace dbuild::executors::in_process
