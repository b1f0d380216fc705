// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/exporters/folder_writer.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace dbuild::orchestrator::exporters {
namespace {

using cache::oci::EntryType;
using cache::oci::LayerEntry;

constexpr const char* k_temporary = ".dbuild-unfinished"; // one at a time, in the folder that the file is to be in

bool is_folder(int folder, const std::string& name) {
    struct stat found {};
    return ::fstatat(folder, name.c_str(), &found, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(found.st_mode);
}

/// Whatever has the name; links are not followed. False: errno says why.
bool remove_tree(int folder, const std::string& name) {
    std::error_code error;
    std::filesystem::remove_all("/proc/self/fd/" + std::to_string(folder) + "/" + name, error);
    errno = error.value();
    return !error;
}

mode_t device_type(EntryType type) {
    switch (type) {
    case EntryType::character_device: return S_IFCHR;
    case EntryType::block_device: return S_IFBLK;
    default: return S_IFIFO;
    }
}

bool set_times(int folder, const std::string& name, std::int64_t seconds) {
    const timespec times[] = {{seconds, 0}, {seconds, 0}};
    return ::utimensat(folder, name.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0;
}

/// Of what is no link. A file system or user that cannot set an extended attribute goes without, as with docker.
bool set_attributes(int folder, const std::string& name, const LayerEntry& entry) {
    const auto path = "/proc/self/fd/" + std::to_string(folder) + "/" + name;
    for (const auto& [key, value] : entry.xattrs) ::lsetxattr(path.c_str(), key.c_str(), value.data(), value.size(), 0);
    return ::fchmodat(folder, name.c_str(), entry.mode, 0) == 0 && set_times(folder, name, entry.mtime_seconds);
}

} // namespace

Result<FolderWriter> FolderWriter::open(const std::filesystem::path& folder) {
    DBUILD_TRY(make_directories(folder));
    Fd root(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!root.is_open())
        return fail(ErrorKind::unavailable, "cannot open " + folder.string() + ": " + std::strerror(errno));
    return FolderWriter(folder, std::move(root));
}

tl::unexpected<Error> FolderWriter::failed(const char* verb, const std::string& path) const {
    return fail(errno == ENOSPC ? ErrorKind::no_space : ErrorKind::unavailable,
                std::string("cannot ") + verb + " " + (path_ / path).string() + ": " + std::strerror(errno));
}

Result<FolderWriter::Place> FolderWriter::place_of(const std::string& path) {
    const auto slash = path.rfind('/');
    const auto parent = slash == path.npos ? std::string() : path.substr(0, slash);
    auto name = slash == path.npos ? path : path.substr(slash + 1);
    if (parent != parent_path_) {
        Fd folder;
        for (std::size_t begin = 0; begin < parent.size();) {
            const auto end = std::min(parent.find('/', begin), parent.size());
            const auto below = folder.is_open() ? folder.get() : root_.get();
            folder = Fd(::openat(below, parent.substr(begin, end - begin).c_str(),
                                 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
            if (!folder.is_open()) return failed("open", parent.substr(0, end));
            begin = end + 1;
        }
        parent_ = std::move(folder);
        parent_path_ = parent;
    }
    return Place{parent_.is_open() ? parent_.get() : root_.get(), std::move(name)};
}

/// Renames the temporary name to the one that it is for.
Status FolderWriter::put_in_place(const Place& place, const std::string& path) {
    if (is_folder(place.folder, place.name) && !remove_tree(place.folder, place.name)) return failed("replace", path);
    if (::renameat(place.folder, k_temporary, place.folder, place.name.c_str()) != 0) return failed("write", path);
    return {};
}

Status FolderWriter::add(const LayerEntry& entry) {
    DBUILD_TRY_ASSIGN(const auto place, place_of(entry.path));
    if (entry.type == EntryType::directory) {
        folders_.push_back(entry);
        if (is_folder(place.folder, place.name)) return {};
        if (!remove_tree(place.folder, place.name)) return failed("replace", entry.path);
        if (::mkdirat(place.folder, place.name.c_str(), 0700) != 0) return failed("make", entry.path);
        return {};
    }
    if (entry.type == EntryType::file) {
        DBUILD_TRY(begin_file(entry));
        return end_file({});
    }
    if (!remove_tree(place.folder, k_temporary)) return failed("replace", entry.path);
    const auto device = ::makedev(entry.device_major, entry.device_minor);
    const bool is_link = entry.type == EntryType::symlink;
    if (is_link ? ::symlinkat(entry.link_target.c_str(), place.folder, k_temporary) != 0
                : ::mknodat(place.folder, k_temporary, device_type(entry.type) | 0600, device) != 0)
        return failed("make", entry.path);
    if (is_link ? !set_times(place.folder, k_temporary, entry.mtime_seconds)
                : !set_attributes(place.folder, k_temporary, entry))
        return failed("make", entry.path);
    return put_in_place(place, entry.path);
}

Status FolderWriter::begin_file(const LayerEntry& entry) {
    DBUILD_TRY_ASSIGN(const auto place, place_of(entry.path));
    if (!remove_tree(place.folder, k_temporary)) return failed("replace", entry.path);
    file_ = Fd(::openat(place.folder, k_temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file_.is_open()) return failed("write", entry.path);
    file_entry_ = entry;
    received_ = 0;
    return {};
}

Status FolderWriter::append(std::string_view bytes) {
    received_ += bytes.size();
    return write_all(file_.get(), bytes, path_ / file_entry_.path);
}

Status FolderWriter::end_file(std::span<const std::string> other_names) {
    file_.reset();
    const auto& path = file_entry_.path;
    if (received_ != file_entry_.size)
        return fail(ErrorKind::corrupt, "a layer has other bytes of /" + path + " than it said");
    DBUILD_TRY_ASSIGN(auto place, place_of(path));
    if (!set_attributes(place.folder, k_temporary, file_entry_)) return failed("write", path);
    DBUILD_TRY(put_in_place(place, path));
    const Fd first_folder(::fcntl(place.folder, F_DUPFD_CLOEXEC, 0));
    const auto first_name = place.name;
    for (const auto& other : other_names) {
        DBUILD_TRY_ASSIGN(place, place_of(other));
        if (!remove_tree(place.folder, k_temporary)) return failed("replace", other);
        if (::linkat(first_folder.get(), first_name.c_str(), place.folder, k_temporary, 0) != 0)
            return failed("link", other);
        DBUILD_TRY(put_in_place(place, other));
    }
    return {};
}

Status FolderWriter::finish() {
    for (auto entry = folders_.rbegin(); entry != folders_.rend(); ++entry) {
        DBUILD_TRY_ASSIGN(const auto place, place_of(entry->path));
        if (!set_attributes(place.folder, place.name, *entry)) return failed("write", entry->path);
    }
    return {};
}

} // namespace dbuild::orchestrator::exporters
