// SPDX-License-Identifier: Apache-2.0
#include "cache/context/folder_walk.hpp"

#include "cache/context/workers.hpp"
#include "cache/context/xattrs.hpp"

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <mutex>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace dbuild::cache::context {
namespace {

constexpr std::size_t k_listing_bytes = std::size_t{1} << 16;
/// Below that many names, or with fewer folders waiting, a thread costs more than it saves.
constexpr std::size_t k_names_before_threads = 1000, k_folders_before_threads = 4;

class Walk {
public:
    Walk(const ContextRoot& root, const StatCache& cache, StatCache::Trust trust, FolderTree& tree)
        : root_(root), cache_(cache), trust_(trust), tree_(tree) {}

    Status add_path(const std::string& path);
    Status run();
    std::vector<FileToHash> take_files() { return std::move(files_); }

private:
    /// What one thread finds in one folder, before others see it.
    struct Found {
        std::vector<FileToHash> files;
        struct Below {
            std::uint32_t node = 0;
            bool is_left_out = false;
        };
        std::vector<Below> folders;
    };

    Result<bool> look_at(int folder_fd, std::uint32_t number, Folder& folder, Node& node, const std::string& path,
                         Found& found);
    Status set_link_target(int folder_fd, const std::string& name, const std::string& path, NodeDetail& detail) const;
    Status read(std::uint32_t number, std::string& buffer);
    void publish(Folder& folder, const Found& found);
    void work();

    const ContextRoot& root_;
    const StatCache& cache_;
    const StatCache::Trust trust_;
    FolderTree& tree_;

    std::mutex mutex_; // of what follows, and of adding to the tree
    std::condition_variable changed_;
    std::vector<std::uint32_t>
        waiting_; // last in, first out: folders that were just listed are still in the kernel's caches
    std::vector<FileToHash> files_;
    std::vector<std::uint32_t> added_; // by add_path
    std::size_t busy_ = 0, names_seen_ = 0;
    bool has_left_out_ = false;
    std::optional<Error> failure_;
    Workers workers_; // last: joined before the rest goes
};

Status Walk::set_link_target(int folder_fd, const std::string& name, const std::string& path,
                             NodeDetail& detail) const {
    detail.link_target.resize(PATH_MAX);
    const auto size = ::readlinkat(folder_fd, name.c_str(), detail.link_target.data(), detail.link_target.size());
    if (size < 0) return root_.failure("cannot read link", path);
    detail.link_target.resize(static_cast<std::size_t>(size));
    detail.link_target.shrink_to_fit();
    return {};
}

/// Describes one name of a folder. Out: false for what is gone or ignored.
Result<bool> Walk::look_at(int folder_fd, std::uint32_t number, Folder& folder, Node& node, const std::string& path,
                           Found& found) {
    const bool is_left_out = root_.ignores(path);
    struct stat status {};
    const std::string name(folder.name_of(node));
    if (::fstatat(folder_fd, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT || errno == ENOTDIR) return false; // gone since the folder was listed
        return root_.failure("cannot look at", path);
    }
    node.mode = static_cast<std::uint16_t>(status.st_mode);
    node.mtime_seconds = status.st_mtim.tv_sec;
    const auto identity = FileIdentity::of(status);
    node.changed_ns = identity.changed_ns;
    const auto index = static_cast<std::uint32_t>(&node - folder.nodes.data());
    if (S_ISDIR(status.st_mode)) {
        if (is_left_out && root_.can_skip_directory(path)) return false;
        found.folders.push_back({index, is_left_out});
        return true;
    }
    if (is_left_out) return false;
    NodeDetail detail;
    if (S_ISREG(status.st_mode)) {
        node.size = static_cast<std::uint64_t>(status.st_size);
        const auto known = cache_.find(identity, trust_);
        if (!known) {
            found.files.push_back({identity, number, index});
            return true;
        }
        node.content = known->content;
        if (!known->has_xattrs) return true;
    } else if (S_ISSOCK(status.st_mode)) {
        node.content = sha256("");
    } else if (S_ISLNK(status.st_mode)) {
        DBUILD_TRY(set_link_target(folder_fd, name, path, detail));
    } else if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) {
        detail.device_major = major(status.st_rdev);
        detail.device_minor = minor(status.st_rdev);
    }
    detail.xattrs = read_xattrs((root_.path / path).string());
    if (!detail.xattrs.empty() || !detail.link_target.empty() || detail.device_major || detail.device_minor)
        folder.set_detail(node, std::move(detail));
    return true;
}

/// The names in an open folder, in the order of their bytes, as nodes without more.
Status list_names(const ContextRoot& root, int fd, Folder& folder, std::string& buffer) {
    buffer.resize(k_listing_bytes);
    std::string names;
    std::vector<std::pair<std::uint32_t, std::uint16_t>> places;
    for (;;) {
        const auto size = ::getdents64(fd, buffer.data(), buffer.size());
        if (size < 0) return root.failure("cannot read folder", folder.path);
        if (size == 0) break;
        for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
            const auto* item = reinterpret_cast<const dirent64*>(buffer.data() + at);
            at += item->d_reclen;
            const std::string_view name(item->d_name);
            if (name == "." || name == "..") continue;
            places.emplace_back(names.size(), name.size());
            names += name;
        }
    }
    const auto text = [&](const auto& place) { return std::string_view(names).substr(place.first, place.second); };
    std::sort(places.begin(), places.end(), [&](const auto& a, const auto& b) { return text(a) < text(b); });
    folder.nodes.resize(places.size());
    for (std::size_t i = 0; i < places.size(); ++i) {
        folder.nodes[i].name_begin = places[i].first;
        folder.nodes[i].name_size = places[i].second;
    }
    names.shrink_to_fit();
    folder.names = std::move(names);
    return {};
}

Status Walk::read(std::uint32_t number, std::string& buffer) {
    Folder* listed = nullptr;
    {
        const std::lock_guard lock(mutex_); // a deque's index moves when it grows
        listed = &tree_.at(number);
    }
    auto& folder = *listed;
    const auto fd = root_.open_below(folder.path, O_RDONLY | O_DIRECTORY);
    if (!fd.is_open()) return root_.failure("cannot read folder", folder.path);
    if (!folder.path.empty()) folder.xattrs = read_xattrs(fd.get());
    DBUILD_TRY(list_names(root_, fd.get(), folder, buffer));
    Found found;
    auto path = folder.path.empty() ? std::string() : folder.path + "/";
    const auto prefix = path.size();
    for (auto& node : folder.nodes) {
        path.resize(prefix);
        path += folder.name_of(node);
        DBUILD_TRY_ASSIGN(const bool is_there, look_at(fd.get(), number, folder, node, path, found));
        if (!is_there) node.mode = 0;
    }
    publish(folder, found);
    return {};
}

void Walk::publish(Folder& folder, const Found& found) {
    const std::lock_guard lock(mutex_);
    files_.insert(files_.end(), found.files.begin(), found.files.end());
    names_seen_ += folder.nodes.size();
    for (const auto& below : found.folders) {
        auto& node = folder.nodes[below.node];
        auto path = folder.path_of(node);
        if (const auto known = tree_.root_folder(path)) { // was asked for by itself before
            node.below = *known;
            continue;
        }
        node.below = tree_.add(std::move(path));
        tree_.at(node.below).is_left_out = below.is_left_out;
        has_left_out_ = has_left_out_ || below.is_left_out;
        waiting_.push_back(node.below);
    }
}

void Walk::work() {
    std::string buffer;
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [&] { return !waiting_.empty() || busy_ == 0 || failure_; });
        if (failure_ || waiting_.empty()) break;
        const auto number = waiting_.back();
        waiting_.pop_back();
        ++busy_;
        lock.unlock();
        auto done = read(number, buffer);
        lock.lock();
        --busy_;
        if (!done && !failure_) failure_ = std::move(done).error();
        if (workers_.is_empty() && names_seen_ > k_names_before_threads && waiting_.size() >= k_folders_before_threads)
            workers_.start([this] { work(); });
        changed_.notify_all();
    }
    changed_.notify_all();
}

Status Walk::add_path(const std::string& path) {
    if (tree_.is_known(path)) return {};
    if (path.empty()) {
        const auto number = added_.emplace_back(tree_.add(""));
        tree_.set_root("", number);
        waiting_.push_back(number);
        return {};
    }
    const auto number = added_.emplace_back(tree_.add(oci::parent_path(path)));
    auto& holder = tree_.at(number);
    holder.names = path.substr(holder.path.empty() ? 0 : holder.path.size() + 1);
    holder.nodes.resize(1);
    holder.nodes.front().name_size = static_cast<std::uint16_t>(holder.names.size());
    const auto fd = root_.open_below(holder.path, O_RDONLY | O_DIRECTORY);
    if (!fd.is_open() && errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
        return root_.failure("cannot read folder", holder.path);
    Found found;
    bool is_there = false;
    if (fd.is_open()) {
        DBUILD_TRY_ASSIGN(is_there, look_at(fd.get(), number, holder, holder.nodes.front(), path, found));
    }
    if (!is_there) holder.nodes.front().mode = 0;
    publish(holder, found);
    tree_.set_root(path, number);
    return {};
}

Status Walk::run() {
    work();
    workers_.join();
    if (failure_) return fail(std::move(*failure_));
    if (has_left_out_)
        for (const auto number : added_) tree_.prune(number);
    return {};
}

} // namespace

Fd ContextRoot::open_below(const std::string& below, int flags) const {
    return open_below_where_possible(fd.get(), below, flags);
}

tl::unexpected<Error> ContextRoot::failure(std::string_view what, std::string_view below) const {
    const auto* reason = std::strerror(errno);
    return fail(ErrorKind::unavailable, std::string(what) + " " + (path / below).string() + ": " + reason);
}

Result<std::vector<FileToHash>> read_folders(const ContextRoot& root, const StatCache& cache, StatCache::Trust trust,
                                             const std::vector<std::string>& paths, FolderTree& tree) {
    Walk walk(root, cache, trust, tree);
    for (const auto& path : paths) DBUILD_TRY(walk.add_path(path));
    DBUILD_TRY(walk.run());
    return walk.take_files();
}

} // namespace dbuild::cache::context
