// SPDX-License-Identifier: Apache-2.0
#include "executors/runtime/layer_folder.hpp"

#include "executors/in_process/layer_writer.hpp"
#include "executors/runtime/overlay_form.hpp"
#include "support/files.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace dbuild::executors::runtime {
namespace {

using cache::oci::base_name;
using cache::oci::EntryType;
using cache::oci::LayerEntry;
using cache::oci::parent_path;
using cache::oci::TableOfContents;

/// Of a call that failed on a path of the layer: either the path cannot be, or the disk is the reason.
tl::unexpected<Error> call_failure(std::string_view what, std::string_view path) {
    const int number = errno;
    const auto text = fmt::format("cannot {} /{} of a layer: {}", what, path, std::strerror(number));
    switch (number) {
    case ENOSPC:
    case EDQUOT: return fail(ErrorKind::no_space, text);
    case EEXIST:
    case EINVAL: // an owner that this user namespace lacks
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
    case ENOTDIR:
    case EPERM: // no root after all
    case EXDEV: return fail(ErrorKind::unsupported, text);
    default: return fail(ErrorKind::unavailable, text);
    }
}

/// Works on one folder, and on nothing outside of it: a path's folder is opened without following any link, and then
/// only names in that folder are used.
class FolderWriter {
public:
    explicit FolderWriter(Fd root) : root_(std::move(root)) {}

    /// Appends to a file, and makes it first. The bytes of one file come without those of others between them.
    Status append(const std::string& path, std::string_view bytes) {
        if (!file_.is_open() || path != file_path_) {
            DBUILD_TRY_ASSIGN(file_, create_file(path));
            file_path_ = path;
        }
        return write_all(file_.get(), bytes, path);
    }

    /// Makes what append() did not.
    Status make(const LayerEntry& entry) {
        if (entry.type == EntryType::hard_link) return link(entry);
        if (entry.type == EntryType::file && !entry.is_whiteout())
            return entry.size > 0 ? Status() : append(entry.path, {}); // an empty one is not told of
        DBUILD_TRY_ASSIGN(const Place place, place_of(path_in_folder(entry)));
        if (entry.is_opaque_marker()) return set_xattr({place.folder, "."}, "trusted.overlay.opaque", "y", entry.path);
        if (call_to_make(entry, place) != 0) return call_failure("make", entry.path);
        return {};
    }

    /// When everything is made. A change of owner takes bits of the mode and capabilities away: it comes first.
    Status set_attributes(const LayerEntry& entry) {
        if (entry.is_whiteout() || entry.type == EntryType::hard_link) return {};
        DBUILD_TRY_ASSIGN(const Place place, place_of(entry.path));
        const char* name = place.name.c_str();
        if (::fchownat(place.folder, name, static_cast<uid_t>(entry.uid), static_cast<gid_t>(entry.gid),
                       AT_SYMLINK_NOFOLLOW) != 0)
            return call_failure("set the owner of", entry.path);
        if (entry.type != EntryType::symlink && ::fchmodat(place.folder, name, entry.mode, 0) != 0)
            return call_failure("set the mode of", entry.path);
        for (const auto& [key, value] : entry.xattrs) DBUILD_TRY(set_xattr(place, key, value, entry.path));
        const timespec times[2] = {{0, UTIME_OMIT}, {static_cast<time_t>(entry.mtime_seconds), 0}};
        if (::utimensat(place.folder, name, times, AT_SYMLINK_NOFOLLOW) != 0)
            return call_failure("set the time of", entry.path);
        return {};
    }

private:
    struct Place {
        int folder; // until the next call
        std::string name;
    };

    /// In: path — its folder is made, 0700, if it is missing.
    Result<Place> place_of(const std::string& path) {
        const auto parent = parent_path(path);
        if (!folder_.is_open() || parent != folder_path_) {
            DBUILD_TRY_ASSIGN(folder_, open_folder(parent));
            folder_path_ = parent;
        }
        return Place{folder_.get(), path.empty() ? "." : base_name(path)};
    }

    Result<Fd> open_folder(const std::string& path) {
        const auto open = [&] { return open_below(root_.get(), path, O_PATH | O_DIRECTORY); };
        Fd folder = open();
        if (!folder.is_open() && errno == ENOENT && !path.empty()) {
            DBUILD_TRY_ASSIGN(const Fd parent, open_folder(parent_path(path)));
            if (::mkdirat(parent.get(), base_name(path).c_str(), 0700) != 0) return call_failure("make", path);
            folder = open();
        }
        if (!folder.is_open()) return call_failure("open", path);
        return folder;
    }

    /// As the system's calls: -1 and errno.
    static int call_to_make(const LayerEntry& entry, const Place& place) {
        const char* name = place.name.c_str();
        const auto device = makedev(entry.device_major, entry.device_minor);
        switch (entry.type) {
        case EntryType::file: return ::mknodat(place.folder, name, S_IFCHR, makedev(0, 0)); // a whiteout
        case EntryType::directory: {
            const int code = ::mkdirat(place.folder, name, 0700);
            return code != 0 && errno == EEXIST ? 0 : code; // made on the way to what is in it, or the root
        }
        case EntryType::symlink: return ::symlinkat(entry.link_target.c_str(), place.folder, name);
        case EntryType::character_device: return ::mknodat(place.folder, name, S_IFCHR | 0600, device);
        case EntryType::block_device: return ::mknodat(place.folder, name, S_IFBLK | 0600, device);
        case EntryType::fifo: return ::mknodat(place.folder, name, S_IFIFO | 0600, 0);
        case EntryType::hard_link: break;
        }
        errno = EINVAL;
        return -1;
    }

    Status link(const LayerEntry& entry) {
        DBUILD_TRY_ASSIGN(const Fd target, open_folder(parent_path(entry.link_target)));
        DBUILD_TRY_ASSIGN(const Place place, place_of(entry.path));
        const auto name = base_name(entry.link_target);
        if (::linkat(target.get(), name.c_str(), place.folder, place.name.c_str(), 0) == 0) return {};
        return call_failure("link", entry.path);
    }

    Result<Fd> create_file(const std::string& path) {
        DBUILD_TRY_ASSIGN(const Place place, place_of(path));
        Fd file(::openat(place.folder, place.name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
        if (!file.is_open()) return call_failure("make", path);
        return file;
    }

    /// What the file system does not know is left out, as containerd does; but not what lets a program run.
    static Status set_xattr(const Place& place, const std::string& key, std::string_view value, std::string_view path) {
        const auto name = fmt::format("/proc/self/fd/{}/{}", place.folder, place.name);
        if (::lsetxattr(name.c_str(), key.c_str(), value.data(), value.size(), 0) == 0) return {};
        if (errno == ENOTSUP && key != "security.capability" && !key.starts_with("trusted.")) return {};
        return call_failure("set " + key + " of", path);
    }

    Fd root_, folder_, file_; // folder_ and file_: the last ones
    std::string folder_path_, file_path_;
};

Result<FolderWriter> write_into(const std::filesystem::path& folder) {
    Fd root(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (root.is_open()) return FolderWriter(std::move(root));
    return fail(ErrorKind::unavailable, "cannot open " + folder.string() + ": " + std::strerror(errno));
}

/// So far there are only folders and files, so no link can mislead; the rest is made after it was checked as a whole.
Status make_the_rest(FolderWriter& writer, const TableOfContents& contents) {
    DBUILD_TRY_ASSIGN(const auto index, check_overlay_form(contents));
    for (const auto& entry : contents.entries) DBUILD_TRY(writer.make(entry));
    LayerEntry root_folder;
    root_folder.type = EntryType::directory;
    root_folder.mode = 0755;
    if (!index.contains("")) DBUILD_TRY(writer.set_attributes(root_folder));
    for (const auto& [path, entry] : index) DBUILD_TRY(writer.set_attributes(*entry));
    return {};
}

} // namespace

Result<cache::oci::LayerScan> unpack_layer(const cache::oci::ByteSource& blob, const std::filesystem::path& folder) {
    DBUILD_TRY_ASSIGN(auto writer, write_into(folder));
    const auto files = [&](const std::string& path, std::string_view bytes) { return writer.append(path, bytes); };
    DBUILD_TRY_ASSIGN(auto scan, cache::oci::scan_layer(blob, nullptr, files));
    DBUILD_TRY(make_the_rest(writer, scan.contents));
    return scan;
}

Result<TableOfContents> make_layer_folder(const std::function<Status(const cache::oci::EntrySink&)>& send,
                                          const std::filesystem::path& folder) {
    DBUILD_TRY_ASSIGN(auto writer, write_into(folder));
    TableOfContents contents;
    DBUILD_TRY(send([&](LayerEntry entry, const cache::oci::BodyReader& body) -> Status {
        const auto path = entry.path;
        const auto append = [&](std::string_view bytes) { return writer.append(path, bytes); };
        DBUILD_TRY_ASSIGN(auto made, in_process::read_body(std::move(entry), body, append));
        contents.entries.push_back(std::move(made));
        return {};
    }));
    DBUILD_TRY(make_the_rest(writer, contents));
    return contents;
}

} // namespace dbuild::executors::runtime
