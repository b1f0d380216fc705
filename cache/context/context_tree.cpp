// SPDX-License-Identifier: Apache-2.0
#include "cache/context/context_tree.hpp"

#include "cache/oci/layer_tar.hpp"
#include "dockerfile_parser/dockerignore.hpp"
#include "support/files.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <map>
#include <mutex>
#include <optional>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <thread>
#include <unistd.h>

namespace fs = std::filesystem;

namespace dbuild::cache::context {
namespace {

using oci::clean_path;
using oci::EntryType;
using oci::FileTree;
using oci::LayerEntry;
using oci::TableOfContents;

constexpr unsigned k_hashing_threads = 2;

bool has_wildcard(std::string_view path) { return path.find_first_of("*?[\\") != path.npos; }

tl::unexpected<Error> errno_failure(std::string_view what, const fs::path& path) {
    return fail(ErrorKind::unavailable, std::string(what) + " " + path.string() + ": " + std::strerror(errno));
}

/// What BuildKit's client sends: neither SELinux labels nor what a desktop attached.
bool counts(std::string_view xattr) {
    if (xattr == "security.capability") return true;
    return !xattr.starts_with("security.") && !xattr.starts_with("system.") && !xattr.starts_with("com.apple.");
}

std::map<std::string, std::string> read_xattrs(const fs::path& path) {
    std::map<std::string, std::string> xattrs;
    char names[4096];
    const auto size = ::llistxattr(path.c_str(), names, sizeof names);
    for (ssize_t at = 0; at < size;) {
        const std::string name(names + at);
        at += static_cast<ssize_t>(name.size()) + 1;
        if (!counts(name)) continue;
        char value[65536]; // the kernel's limit
        const auto length = ::lgetxattr(path.c_str(), name.c_str(), value, sizeof value);
        if (length >= 0) xattrs.emplace(name, std::string(value, static_cast<std::size_t>(length)));
    }
    return xattrs;
}

/// Hashes a file's bytes. Errors: unavailable, with the path.
Result<Digest> hash_file(const fs::path& path, std::string& buffer, std::uint64_t& bytes_read) {
    const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd.is_open()) return errno_failure("cannot open", path);
    Sha256 hasher;
    for (;;) {
        const auto count = ::read(fd.get(), buffer.data(), buffer.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return errno_failure("cannot read", path);
        if (count == 0) return hasher.finish();
        hasher.update({buffer.data(), static_cast<std::size_t>(count)});
        bytes_read += static_cast<std::uint64_t>(count);
    }
}

} // namespace

struct ContextTree::Impl {
    fs::path root;
    PathPredicate is_ignored, can_skip_directory;
    ContextCounters counters;
    FileTree tree;                                // everything that was looked at; files have digests once hashed
    std::map<std::string, bool, std::less<>> walked; // paths whose whole subtree is in `tree`
    std::map<std::string, Digest, std::less<>> digests; // by source text

    /// Describes one path without following it. Holds nothing if it is absent.
    Result<std::optional<LayerEntry>> look_at(const std::string& path) const {
        const auto full = root / path;
        struct stat status {};
        if (::lstat(full.c_str(), &status) != 0) {
            if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
            return errno_failure("cannot look at", full);
        }
        LayerEntry entry;
        entry.path = path;
        entry.mode = status.st_mode & 07777;
        entry.mtime_seconds = status.st_mtim.tv_sec;
        entry.xattrs = read_xattrs(full);
        switch (status.st_mode & S_IFMT) {
        case S_IFDIR: entry.type = EntryType::directory; break;
        case S_IFIFO: entry.type = EntryType::fifo; break;
        case S_IFCHR:
        case S_IFBLK:
            entry.type = S_ISCHR(status.st_mode) ? EntryType::character_device : EntryType::block_device;
            entry.device_major = major(status.st_rdev);
            entry.device_minor = minor(status.st_rdev);
            break;
        case S_IFLNK: {
            entry.type = EntryType::symlink;
            std::error_code error;
            entry.link_target = fs::read_symlink(full, error).string();
            if (error) return fail(ErrorKind::unavailable, "cannot read link " + full.string() + ": " + error.message());
            break;
        }
        default: // a regular file; a socket arrives in the builder as an empty one
            entry.size = S_ISREG(status.st_mode) ? static_cast<std::uint64_t>(status.st_size) : 0;
            if (!S_ISREG(status.st_mode)) entry.content = sha256("");
        }
        return entry;
    }

    /// Children of a folder, ignored ones left out; a folder that only leads to something included stays.
    Status walk(const std::string& path, TableOfContents& found, std::vector<std::string>& files) {
        const auto full = root / path;
        DIR* directory = ::opendir(full.c_str());
        if (!directory) return errno_failure("cannot read folder", full);
        std::vector<std::string> names;
        while (const auto* item = ::readdir(directory))
            if (std::strcmp(item->d_name, ".") != 0 && std::strcmp(item->d_name, "..") != 0) names.emplace_back(item->d_name);
        ::closedir(directory);
        std::sort(names.begin(), names.end());
        for (const auto& name : names) {
            const auto child = path.empty() ? name : path + "/" + name;
            const bool is_left_out = is_ignored(child);
            DBUILD_TRY_ASSIGN(auto entry, look_at(child));
            if (!entry) continue; // gone since the folder was read
            if (entry->type != EntryType::directory) {
                if (is_left_out) continue;
                if (entry->type == EntryType::file && entry->content.is_zero()) files.push_back(child);
                found.entries.push_back(std::move(*entry));
                continue;
            }
            if (is_left_out && can_skip_directory(child)) continue;
            const auto mark = found.entries.size();
            found.entries.push_back(std::move(*entry));
            DBUILD_TRY(walk(child, found, files));
            if (is_left_out && found.entries.size() == mark + 1) found.entries.pop_back();
        }
        return {};
    }

    /// Hashes `files` by several threads and puts the digests where they belong.
    Status hash(TableOfContents& found, const std::vector<std::string>& files) {
        std::map<std::string_view, LayerEntry*> by_path;
        for (auto& entry : found.entries) by_path.emplace(entry.path, &entry);
        std::atomic<std::size_t> next = 0;
        std::mutex mutex; // of what the threads share below
        std::optional<Error> failure;
        const auto work = [&] {
            std::string buffer(std::size_t{1} << 16, '\0');
            std::uint64_t bytes_read = 0;
            for (std::size_t i = next++; i < files.size(); i = next++) {
                auto digest = hash_file(root / files[i], buffer, bytes_read);
                if (digest) {
                    by_path.at(files[i])->content = *digest; // each thread writes entries of its own
                } else {
                    const std::lock_guard lock(mutex);
                    failure = std::move(digest).error();
                    break;
                }
            }
            const std::lock_guard lock(mutex);
            counters.bytes_read += bytes_read;
        };
        std::vector<std::jthread> threads;
        if (files.size() > 8) // below that, a thread costs more than it saves
            for (unsigned i = 1; i < k_hashing_threads; ++i) threads.emplace_back(work);
        work();
        threads.clear();
        if (failure) return fail(std::move(*failure));
        counters.files_hashed += files.size();
        return {};
    }

    /// Brings a path with everything below it into the tree. Files already there are not read again.
    Status load(const std::string& path) {
        for (std::string_view above = path;;) {
            if (walked.contains(above)) return {};
            if (above.empty()) break;
            const auto slash = above.rfind('/');
            above = slash == above.npos ? std::string_view() : above.substr(0, slash);
        }
        TableOfContents found;
        std::vector<std::string> files;
        bool is_directory = path.empty();
        if (!path.empty()) {
            DBUILD_TRY_ASSIGN(auto entry, look_at(path));
            if (!entry) return {};
            is_directory = entry->type == EntryType::directory;
            if (!is_directory && is_ignored(path)) return {};
            if (entry->type == EntryType::file && entry->content.is_zero()) files.push_back(path);
            found.entries.push_back(std::move(*entry));
        }
        if (is_directory) DBUILD_TRY(walk(path, found, files));
        if (is_directory && !path.empty() && found.entries.size() == 1 && is_ignored(path)) return {};
        std::erase_if(files, [&](const auto& file) {
            const auto* known = tree.find(file);
            if (!known || known->content.is_zero()) return false;
            for (auto& entry : found.entries)
                if (entry.path == file) entry.content = known->content;
            return true;
        });
        DBUILD_TRY(hash(found, files));
        tree.apply_entries(found);
        walked[path] = true;
        return {};
    }

    /// The path that a source without wildcards means: its symlinks followed, never out of the context.
    Result<std::string> follow(const std::string& path) {
        std::string done, rest = path;
        for (int links = 0; !rest.empty();) {
            const auto slash = rest.find('/');
            const auto part = rest.substr(0, slash);
            rest = slash == rest.npos ? "" : rest.substr(slash + 1);
            if (part.empty() || part == ".") continue;
            if (part == "..") {
                const auto last = done.rfind('/');
                done = last == done.npos ? "" : done.substr(0, last);
                continue;
            }
            const auto next = done.empty() ? part : done + "/" + part;
            DBUILD_TRY_ASSIGN(const auto entry, look_at(next));
            if (!entry) return fail(ErrorKind::not_found, "\"/" + path + "\": not found");
            if (entry->type != EntryType::symlink) {
                done = next;
                continue;
            }
            if (++links > 255) return fail(ErrorKind::not_found, "\"/" + path + "\": too many links");
            if (entry->link_target.starts_with('/')) done.clear();
            rest = entry->link_target + "/" + rest;
        }
        return done;
    }

    /// The names in a folder that match one component of a pattern; none if it is no folder.
    Result<std::vector<std::string>> matching_names(const std::string& folder, const std::string& pattern) const {
        std::vector<std::string> names;
        const auto full = root / folder;
        const Fd fd(::open(full.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!fd.is_open()) {
            if (errno == ENOTDIR || errno == ENOENT || errno == ELOOP) return names;
            return errno_failure("cannot read folder", full);
        }
        if (!folder.empty() && is_ignored(folder) && can_skip_directory(folder)) return names;
        DIR* directory = ::opendir(full.c_str());
        if (!directory) return errno_failure("cannot read folder", full);
        while (const auto* item = ::readdir(directory)) {
            const std::string name(item->d_name);
            if (name == "." || name == "..") continue;
            const auto matches = dockerfile_parser::match_path(pattern, name);
            if (matches && *matches) names.push_back(name); // the whole pattern was checked before
        }
        ::closedir(directory);
        return names;
    }

    /// What a source means in this tree: paths that exist and are not ignored, loaded.
    Result<std::vector<std::string>> targets(std::string_view source) {
        const auto wanted = clean_path(source);
        std::vector<std::string> paths;
        if (!has_wildcard(source)) {
            DBUILD_TRY_ASSIGN(auto path, follow(wanted));
            DBUILD_TRY(load(path));
            if (!path.empty() && !tree.find(path)) return fail(ErrorKind::not_found, "\"/" + wanted + "\": not found");
            paths.push_back(std::move(path));
            return paths;
        }
        DBUILD_TRY(dockerfile_parser::match_path(wanted, "")); // a malformed pattern is an error also without any file
        // The folders before the first wildcard are followed; from there on, only folders that can match are listed.
        const auto slash = wanted.rfind('/', wanted.find_first_of("*?[\\"));
        auto folder = follow(slash == wanted.npos ? std::string() : wanted.substr(0, slash));
        if (!folder) {
            if (folder.error().kind != ErrorKind::not_found) return fail(std::move(folder).error());
            return paths; // no such folder: nothing matches
        }
        std::vector<std::string> found = {std::move(*folder)};
        for (std::string rest = slash == wanted.npos ? wanted : wanted.substr(slash + 1); !rest.empty();) {
            const auto end = std::min(rest.find('/'), rest.size());
            const auto pattern = rest.substr(0, end);
            rest.erase(0, end + 1);
            std::vector<std::string> next;
            for (const auto& above : found) {
                DBUILD_TRY_ASSIGN(const auto names, matching_names(above, pattern));
                for (const auto& name : names) next.push_back(above.empty() ? name : above + "/" + name);
            }
            found = std::move(next);
        }
        for (auto& path : found) {
            DBUILD_TRY(load(path)); // leaves out what is ignored
            if (tree.find(path)) paths.push_back(std::move(path));
        }
        std::sort(paths.begin(), paths.end());
        return paths;
    }
};

ContextTree::ContextTree(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ContextTree::ContextTree(ContextTree&&) noexcept = default;
ContextTree::~ContextTree() = default;
const ContextCounters& ContextTree::counters() const { return impl_->counters; }

Result<ContextTree> ContextTree::open(fs::path root, PathPredicate is_ignored, PathPredicate can_skip_directory) {
    std::error_code error;
    if (!fs::is_directory(root, error)) return fail(ErrorKind::unavailable, "build context " + root.string() + " is not a folder");
    auto impl = std::make_unique<Impl>();
    impl->root = std::move(root);
    impl->is_ignored = std::move(is_ignored);
    impl->can_skip_directory = std::move(can_skip_directory);
    return ContextTree(std::move(impl));
}

Result<Digest> ContextTree::source_digest(std::string_view source) {
    if (const auto known = impl_->digests.find(source); known != impl_->digests.end()) return known->second;
    DBUILD_TRY_ASSIGN(const auto paths, impl_->targets(source));
    std::string encoded = "dbuild context selection 1";
    const bool is_pattern = has_wildcard(source);
    for (const auto& path : paths) {
        if (is_pattern) encoded += std::to_string(path.size()) + ":" + path;
        auto target = path;
        if (is_pattern) { // a match that is a link is followed too
            DBUILD_TRY_ASSIGN(target, impl_->follow(path));
            DBUILD_TRY(impl_->load(target));
        }
        encoded += oci::subtree_digest(impl_->tree, target).hex();
    }
    const auto digest = sha256(encoded);
    impl_->digests.emplace(source, digest);
    return digest;
}

Result<std::vector<std::pair<std::string, Digest>>> ContextTree::files_of(std::string_view source) {
    DBUILD_TRY_ASSIGN(const auto paths, impl_->targets(source));
    std::vector<std::pair<std::string, Digest>> files;
    for (const auto& path : paths) {
        DBUILD_TRY_ASSIGN(const auto target, impl_->follow(path));
        DBUILD_TRY(impl_->load(target));
        const auto& entries = impl_->tree.entries();
        const auto is_selected = [&](const std::string& name) { // and not merely begins like it
            return target.empty() || name.size() == target.size() || name[target.size()] == '/';
        };
        for (auto it = entries.lower_bound(target); it != entries.end() && it->first.starts_with(target); ++it)
            if (it->second.type == EntryType::file && is_selected(it->first)) files.emplace_back(it->first, it->second.content);
    }
    return files;
}

Result<std::vector<oci::SelectedPath>> ContextTree::select(std::string_view source) {
    DBUILD_TRY(source_digest(source));
    DBUILD_TRY_ASSIGN(const auto paths, impl_->targets(source));
    std::vector<oci::SelectedPath> selected;
    for (const auto& path : paths) {
        DBUILD_TRY_ASSIGN(auto target, impl_->follow(path));
        selected.push_back({has_wildcard(source) ? path : clean_path(source), std::move(target)});
    }
    std::sort(selected.begin(), selected.end(),
              [](const auto& a, const auto& b) { return oci::is_walked_before(a.named, b.named); });
    return selected;
}

const FileTree& ContextTree::files() const { return impl_->tree; }

} // namespace dbuild::cache::context
