// SPDX-License-Identifier: Apache-2.0
#include "cache/context/file_hasher.hpp"

#include "cache/context/workers.hpp"
#include "cache/context/xattrs.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <mutex>
#include <unistd.h>

namespace dbuild::cache::context {
namespace {

constexpr std::size_t k_buffer_bytes = std::size_t{1} << 17; // stays in a core's cache between reading and hashing
constexpr std::size_t k_big_file_bytes = std::size_t{1} << 20;
constexpr std::size_t k_files_a_thread = 32; // of a few KiB: less costs less than a thread
constexpr std::size_t k_batch_files = 64;    // small ones of one folder, which one thread takes at once
constexpr int k_attempts = 3;                // for a file that changes while it is read

/// Whether anybody could write to a file without the kernel stamping it: through a descriptor, or a mapping that is
/// dirty already. A read lease is refused then. One who opens the file after that stamps it with the first byte.
Writers writers_of(int fd) {
    // Who opens the file in between makes the kernel signal the lease's holder; SIGURG is ignored unless somebody asks
    // for it.
    ::fcntl(fd, F_SETSIG, SIGURG);
    if (::fcntl(fd, F_SETLEASE, F_RDLCK) == 0) {
        ::fcntl(fd, F_SETLEASE, F_UNLCK);
        return Writers::none;
    }
    return errno == EAGAIN ? Writers::possible : Writers::unknown; // EACCES: another's file
}

class Hashing {
public:
    Hashing(const ContextRoot& root, std::vector<FileToHash> files, FolderTree& tree, StatCache& cache,
            ContextCounters& counters)
        : root_(root), files_(std::move(files)), tree_(tree), cache_(cache), counters_(counters) {}

    Status run();

private:
    struct Scratch {
        Sha256 hasher;
        std::string buffer;
        std::uint64_t bytes_read = 0;
        Fd folder_fd; // of folder_number: opening names in it is half the price of opening paths
        std::uint32_t folder_number = 0;
    };

    void make_batches();
    std::size_t helpers() const;
    void work();
    Result<Fd> open(const FileToHash& file, Scratch& scratch) const;
    Status look_again(int fd, const FileToHash& file, Node& node, FileIdentity& identity) const;
    Status hash(const FileToHash& file, Scratch& scratch);
    Result<std::uint64_t> read(int fd, const FileToHash& file, const FileIdentity& identity, Scratch& scratch) const;
    tl::unexpected<Error> failure(std::string_view what, const FileToHash& file) const;

    const ContextRoot& root_;
    std::vector<FileToHash> files_;
    FolderTree& tree_;
    StatCache& cache_;
    ContextCounters& counters_;
    std::uint64_t clock_ = 0;
    std::vector<std::size_t> batches_; // where each begins in files_, and the end

    std::atomic<std::size_t> next_batch_ = 0;
    std::atomic<bool> has_failed_ = false;
    std::mutex mutex_; // of what follows, of the cache, the counters, and folders' details
    std::optional<Error> failure_;
};

tl::unexpected<Error> Hashing::failure(std::string_view what, const FileToHash& file) const {
    const auto& folder = tree_.at(file.folder);
    return root_.failure(what, folder.path_of(folder.nodes[file.node]));
}

/// Feeds a file's bytes to the hasher. Out: how many. Where times can be trusted no read is spent on finding the end:
/// they tell of a file that grew. Elsewhere a size may be anything (/proc says 0).
Result<std::uint64_t> Hashing::read(int fd, const FileToHash& file, const FileIdentity& identity,
                                    Scratch& scratch) const {
    const bool reads_to_end = !cache_.is_trusted(identity);
    std::uint64_t done = 0;
    while (done < identity.size || reads_to_end) {
        const auto count = ::read(fd, scratch.buffer.data(), scratch.buffer.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return failure("cannot read", file);
        if (count == 0) break;
        scratch.hasher.update({scratch.buffer.data(), static_cast<std::size_t>(count)});
        done += static_cast<std::uint64_t>(count);
    }
    return done;
}

/// By the folder, which is kept open: the same inode as by the path, or one that its identity gives away after reading.
Result<Fd> Hashing::open(const FileToHash& file, Scratch& scratch) const {
    const auto& folder = tree_.at(file.folder);
    if (!scratch.folder_fd.is_open() || scratch.folder_number != file.folder) {
        scratch.folder_fd = root_.open_below(folder.path, O_PATH | O_DIRECTORY);
        scratch.folder_number = file.folder;
        if (!scratch.folder_fd.is_open()) return failure("cannot open", file);
    }
    const std::string name(folder.name_of(folder.nodes[file.node]));
    Fd fd(::openat(scratch.folder_fd.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!fd.is_open()) return failure("cannot open", file);
    return fd;
}

/// Puts what an open file is now into its node and identity. Errors: unavailable — it is no regular file.
Status Hashing::look_again(int fd, const FileToHash& file, Node& node, FileIdentity& identity) const {
    struct stat status {};
    if (::fstat(fd, &status) != 0) return failure("cannot look at", file);
    if (!S_ISREG(status.st_mode)) {
        errno = ESTALE;
        return failure("changed while it was read:", file);
    }
    if (::lseek(fd, 0, SEEK_SET) != 0) return failure("cannot read", file);
    identity = FileIdentity::of(status);
    node.mode = static_cast<std::uint16_t>(status.st_mode);
    node.mtime_seconds = status.st_mtim.tv_sec;
    node.changed_ns = identity.changed_ns;
    return {};
}

Status Hashing::hash(const FileToHash& file, Scratch& scratch) {
    auto& folder = tree_.at(file.folder); // nobody adds folders meanwhile
    auto& node = folder.nodes[file.node];
    DBUILD_TRY_ASSIGN(const auto fd, open(file, scratch));
    HashedFile hashed{file.identity, {}, false, false}; // that of the look is as good as one before the first byte
    std::uint64_t size = 0;
    for (int attempt = 1; attempt <= k_attempts; ++attempt) {
        if (attempt > 1) DBUILD_TRY(look_again(fd.get(), file, node, hashed.identity));
        const bool is_trusted = cache_.is_trusted(hashed.identity);
        const auto writers = is_trusted ? writers_of(fd.get()) : Writers::unknown;
        if (hashed.identity.size > k_big_file_bytes) ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
        scratch.hasher.start();
        DBUILD_TRY_ASSIGN(size, read(fd.get(), file, hashed.identity, scratch));
        scratch.bytes_read += size;
        hashed.content = scratch.hasher.finish();
        auto xattrs = read_xattrs(fd.get());
        struct stat after {};
        if (::fstat(fd.get(), &after) != 0) return failure("cannot look at", file);
        const bool is_whole = size == hashed.identity.size || !is_trusted;
        const bool is_same = hashed.identity == FileIdentity::of(after) && is_whole;
        hashed.is_proven = is_same && cache_.is_proven(hashed.identity, writers, clock_);
        hashed.has_xattrs = !xattrs.empty();
        if (!is_same && attempt < k_attempts) continue;
        node.size = size;
        node.content = hashed.content;
        const std::lock_guard lock(mutex_);
        if (hashed.has_xattrs) folder.set_detail(node, {{}, std::move(xattrs), 0, 0});
        if (is_same) cache_.add(hashed);
        break;
    }
    return {};
}

void Hashing::work() {
    Scratch scratch;
    scratch.buffer.resize(k_buffer_bytes);
    for (auto batch = next_batch_++; batch + 1 < batches_.size(); batch = next_batch_++)
        for (auto i = batches_[batch]; i < batches_[batch + 1] && !has_failed_; ++i)
            if (Status done = hash(files_[i], scratch); !done) {
                const std::lock_guard lock(mutex_);
                if (!failure_) failure_ = std::move(done).error();
                has_failed_ = true;
            }
    const std::lock_guard lock(mutex_);
    counters_.bytes_read += scratch.bytes_read;
}

/// Big files come first, each by itself, so that no thread is left alone with one at the end; then each folder's, in
/// the order in which disks tend to hold them.
void Hashing::make_batches() {
    const auto big_part = [](const FileToHash& file) { return file.identity.size / k_big_file_bytes; };
    const auto rank = [&](const FileToHash& file) {
        return std::make_tuple(~big_part(file), file.folder, file.identity.inode);
    };
    std::sort(files_.begin(), files_.end(), [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
    for (std::size_t i = 0; i < files_.size(); ++i)
        if (i == 0 || big_part(files_[i - 1]) != 0 || files_[i].folder != files_[i - 1].folder ||
            i - batches_.back() == k_batch_files)
            batches_.push_back(i);
    batches_.push_back(files_.size());
}

/// How many are worth their price besides the caller's. More than there are processors: where the files are not in the
/// page cache most of them wait for the disk, which serves eight in a half to a quarter of the time that two take.
std::size_t Hashing::helpers() const {
    const auto big = std::count_if(files_.begin(), files_.end(),
                                   [](const auto& file) { return file.identity.size >= k_big_file_bytes; });
    const auto wanted = std::max(files_.size() / k_files_a_thread, static_cast<std::size_t>(big));
    return std::min<std::size_t>(std::max<std::size_t>(wanted, 1), Workers::k_max_threads) - 1;
}

Status Hashing::run() {
    make_batches();
    if (cache_.is_trusted()) clock_ = cache_.clock();
    cache_.begin_adding(files_.size());
    {
        Workers workers;
        workers.start([this] { work(); }, helpers());
        work();
    }
    cache_.end_adding();
    if (failure_) return fail(std::move(*failure_));
    counters_.files_hashed += files_.size();
    return {};
}

} // namespace

Status hash_files(const ContextRoot& root, std::vector<FileToHash> files, FolderTree& tree, StatCache& cache,
                  ContextCounters& counters) {
    if (files.empty()) return {};
    return Hashing(root, std::move(files), tree, cache, counters).run();
}

} // namespace dbuild::cache::context
