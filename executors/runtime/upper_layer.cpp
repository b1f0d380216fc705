// SPDX-License-Identifier: Apache-2.0
#include "executors/runtime/upper_layer.hpp"

#include "cache/oci/byte_source.hpp"
#include "executors/in_process/pending_layer.hpp"
#include "support/files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace fs = std::filesystem;

namespace dbuild::executors::runtime {
namespace {

using cache::oci::EntryType;
using cache::oci::FileTree;
using cache::oci::LayerEntry;
using in_process::BodyReader;
using in_process::PendingLayer;

constexpr const char* k_capability = "security.capability"; // the one attribute that layers hold
constexpr std::uint32_t k_mode_bits = 07777;

/// An attribute of what stands at the path, not following a link; "" if there is none.
std::string attribute(const fs::path& path, const char* name) {
    std::string value(256, '\0');
    const auto size = ::lgetxattr(path.c_str(), name, value.data(), value.size());
    value.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return value;
}

bool is_whiteout(const struct stat& found) { return S_ISCHR(found.st_mode) && found.st_rdev == 0; }

BodyReader body_of(const fs::path& file) {
    return [file](const cache::oci::ByteSink& sink) { return cache::oci::send_file(file, sink); };
}

class UpperWalk {
public:
    UpperWalk(fs::path upper, const FileTree& lower, PendingLayer& layer)
        : upper_(std::move(upper)), lower_(lower), layer_(layer) {}

    /// In: is_opaque — nothing below it shows through, by an attribute of its own or of a folder around it.
    Status walk(const std::string& folder, bool is_opaque) {
        DBUILD_TRY_ASSIGN(auto paths, list_folder(upper_ / folder));
        std::sort(paths.begin(), paths.end());
        std::set<std::string, std::less<>> names;
        for (const auto& path : paths) {
            auto name = path.filename().string();
            DBUILD_TRY(visit(path, folder.empty() ? name : folder + "/" + name, is_opaque));
            names.insert(std::move(name));
        }
        if (is_opaque) remove_all_but(folder, names);
        return {};
    }

private:
    Status visit(const fs::path& path, const std::string& name, bool is_in_opaque) {
        struct stat found {};
        if (::lstat(path.c_str(), &found) != 0)
            return fail(ErrorKind::unavailable, fmt::format("cannot read /{}: {}", name, std::strerror(errno)));
        if (is_whiteout(found)) {
            if (lower_.find(name)) layer_.remove(name);
            return {};
        }
        DBUILD_TRY_ASSIGN(const auto entry, entry_of(path, name, found));
        if (!entry) return {};
        const auto* below = lower_.find(name);
        const bool is_folder = entry->type == EntryType::directory;
        if (below && below->type == EntryType::directory && !is_folder) layer_.remove(name); // with all that is in it
        const bool is_link = !is_folder && found.st_nlink > 1;
        layer_.put(*entry, is_link ? fmt::format("{}", found.st_ino) : "", body_of(path));
        if (is_folder) DBUILD_TRY(walk(name, is_in_opaque || attribute(path, "trusted.overlay.opaque") == "y"));
        if (is_folder) layer_.set_time(name, entry->mtime_seconds); // what was put into it has changed that
        return {};
    }

    /// Nothing: a socket, which layers cannot hold.
    Result<std::optional<LayerEntry>> entry_of(const fs::path& path, const std::string& name,
                                               const struct stat& found) const {
        const auto type = cache::oci::entry_type_of(found.st_mode);
        if (!type) return std::nullopt;
        LayerEntry entry;
        entry.path = name;
        entry.type = *type;
        entry.mode = found.st_mode & k_mode_bits;
        entry.uid = found.st_uid;
        entry.gid = found.st_gid;
        entry.mtime_seconds = found.st_mtim.tv_sec;
        if (S_ISREG(found.st_mode)) entry.size = static_cast<std::uint64_t>(found.st_size);
        if (S_ISCHR(found.st_mode) || S_ISBLK(found.st_mode)) {
            entry.device_major = major(found.st_rdev);
            entry.device_minor = minor(found.st_rdev);
        }
        if (auto capability = attribute(path, k_capability); !capability.empty())
            entry.xattrs.emplace(k_capability, std::move(capability));
        std::error_code error;
        if (S_ISLNK(found.st_mode)) entry.link_target = fs::read_symlink(path, error).string();
        if (error) return fail(ErrorKind::unavailable, fmt::format("cannot read /{}: {}", name, error.message()));
        if (may_be_below(entry)) {
            DBUILD_TRY_ASSIGN(entry.content, content_of(path));
        }
        return entry;
    }

    /// Whether only the content can tell if a file is the one below; the others' is found while they are written.
    bool may_be_below(const LayerEntry& entry) const {
        const auto* below = lower_.find(entry.path);
        return entry.type == EntryType::file && below && below->type == EntryType::file && below->size == entry.size &&
               below->mtime_seconds == entry.mtime_seconds;
    }

    static Result<Digest> content_of(const fs::path& path) {
        Sha256 hasher;
        DBUILD_TRY(body_of(path)([&](std::string_view bytes) -> Status { return hasher.update(bytes), Status{}; }));
        return hasher.finish();
    }

    /// An opaque folder hides what is below it. Layers name what is gone, because not every reader knows the other way.
    void remove_all_but(const std::string& folder, const std::set<std::string, std::less<>>& names) {
        const auto begin = folder.empty() ? std::string() : folder + "/";
        const auto& entries = lower_.entries();
        std::set<std::string> gone; // children only
        for (auto it = entries.lower_bound(begin); it != entries.end() && it->first.starts_with(begin); ++it) {
            const auto name = it->first.substr(begin.size(), it->first.find('/', begin.size()) - begin.size());
            if (!name.empty() && !names.contains(name)) gone.insert(begin + name);
        }
        for (const auto& path : gone) layer_.remove(path);
    }

    const fs::path upper_;
    const FileTree& lower_;
    PendingLayer& layer_;
};

} // namespace

Result<cache::oci::LayerScan> write_upper_layer(const fs::path& upper, const FileTree& lower, const fs::path& path) {
    PendingLayer layer(lower, 0);
    DBUILD_TRY(UpperWalk(upper, lower, layer).walk("", false));
    cache::oci::LayerScan made;
    DBUILD_TRY_ASSIGN(const auto written, layer.write(path, &made.contents));
    made.diff_id = written.diff_id;
    made.size = written.size;
    return made;
}

} // namespace dbuild::executors::runtime
