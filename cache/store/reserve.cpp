// SPDX-License-Identifier: Apache-2.0
#include "cache/store/reserve.hpp"

#include "support/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace fs = std::filesystem;

namespace dbuild::cache::store {
namespace {

constexpr std::uint64_t k_least_bytes = 256u << 10; // less helps nobody
constexpr std::uint64_t k_block_bytes = 512;        // of st_blocks

/// What the file really takes: a copied one may be all hole.
std::uint64_t allocated_bytes(const fs::path& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 ? static_cast<std::uint64_t>(status.st_blocks) * k_block_bytes : 0;
}

} // namespace

void keep_reserve(const fs::path& root) {
    const auto path = root / "reserve";
    if (allocated_bytes(path) >= k_reserve_bytes) return;
    struct statvfs status {};
    if (::statvfs(root.c_str(), &status) != 0) return;
    if (std::uint64_t{status.f_bavail} * status.f_frsize / 8 < k_reserve_bytes) return;
    const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    if (file.is_open() && ::fallocate(file.get(), 0, 0, static_cast<off_t>(k_reserve_bytes)) != 0)
        ::unlink(path.c_str()); // a file system without it, or somebody else was faster to the space
}

bool spend_reserve(const fs::path& root) {
    const auto path = root / "reserve";
    const auto left = allocated_bytes(path);
    if (left == 0) return false;
    if (left >= 2 * k_least_bytes) return ::truncate(path.c_str(), static_cast<off_t>(left / 2)) == 0;
    return ::unlink(path.c_str()) == 0;
}

} // namespace dbuild::cache::store
