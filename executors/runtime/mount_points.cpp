// SPDX-License-Identifier: Apache-2.0
#include "executors/runtime/mount_points.hpp"

#include "cache/oci/path_walk.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace dbuild::executors::runtime {
namespace {

using cache::oci::base_name;
using cache::oci::parent_path;

constexpr mode_t k_folder_mode = 0755, k_open_folder_mode = 01777, k_file_mode = 0644;

/// Out: whether it is new. Whatever the umask is, the mode is exact.
bool make_one(int folder, const char* name, MountPoints::Kind kind) {
    if (kind != MountPoints::Kind::file) {
        const auto mode = kind == MountPoints::Kind::open_folder ? k_open_folder_mode : k_folder_mode;
        return ::mkdirat(folder, name, mode) == 0 && ::fchmodat(folder, name, mode, 0) == 0;
    }
    const Fd file(::openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, k_file_mode));
    return file.is_open() && ::fchmod(file.get(), k_file_mode) == 0;
}

} // namespace

Result<std::string> follow_links(const cache::oci::FileTree& tree, const std::string& path) {
    auto followed = cache::oci::follow_links(path, [&](const std::string& next) -> Result<std::optional<std::string>> {
        const auto* entry = tree.find(next);
        if (!entry || entry->type != cache::oci::EntryType::symlink) return std::nullopt;
        return entry->link_target;
    });
    if (!followed) return fail(ErrorKind::unsupported, followed.error().message);
    return followed;
}

Result<bool> MountPoints::make(const std::string& path, Kind kind, Stay stay) {
    DBUILD_TRY_ASSIGN(const auto target, follow_links(tree_, cache::oci::clean_path(path)));
    if (target.empty() && kind == Kind::file) return fail(ErrorKind::unsupported, "cannot mount a file on /");
    bool is_new = false;
    for (std::size_t end = 0; end < target.size();) {
        end = std::min(target.find('/', end + 1), target.size());
        const auto part = target.substr(0, end);
        const auto part_kind = end == target.size() ? kind : Kind::folder;
        const Fd parent = open_below(root_, parent_path(part), O_PATH | O_DIRECTORY);
        if (!parent.is_open())
            return fail(ErrorKind::unavailable,
                        fmt::format("cannot open the folder of /{}: {}", part, std::strerror(errno)));
        is_new = make_one(parent.get(), base_name(part).c_str(), part_kind);
        struct stat found {};
        if (::fstatat(parent.get(), base_name(part).c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0)
            return fail(ErrorKind::unavailable, fmt::format("cannot make /{}: {}", part, std::strerror(errno)));
        if (S_ISDIR(found.st_mode) == (part_kind == Kind::file))
            return fail(ErrorKind::unsupported, fmt::format("cannot mount on /{}: /{} is {} folder", target, part,
                                                            part_kind == Kind::file ? "a" : "no"));
        if (is_new && stay == Stay::while_it_runs) made_.push_back(part);
    }
    return is_new;
}

void MountPoints::remove_made() const {
    for (auto made = made_.rbegin(); made != made_.rend(); ++made) {
        const auto name = base_name(*made);
        const Fd folder = open_below(root_, parent_path(*made), O_RDONLY | O_DIRECTORY);
        struct stat parent {
        }, found{};
        if (!folder.is_open() || ::fstat(folder.get(), &parent) != 0 ||
            ::fstatat(folder.get(), name.c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        const bool is_empty_file = S_ISREG(found.st_mode) && found.st_size == 0;
        if (!S_ISDIR(found.st_mode) && !is_empty_file) continue;
        ::unlinkat(folder.get(), name.c_str(), S_ISDIR(found.st_mode) ? AT_REMOVEDIR : 0); // fails if there is more
        const std::array<timespec, 2> times = {parent.st_atim, parent.st_mtim};
        ::futimens(folder.get(), times.data());
    }
}

} // namespace dbuild::executors::runtime
