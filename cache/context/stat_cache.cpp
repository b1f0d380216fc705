// SPDX-License-Identifier: Apache-2.0
#include "cache/context/stat_cache.hpp"

#include "support/files.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <tuple>
#include <unistd.h>

namespace fs = std::filesystem;

namespace dbuild::cache::context {
namespace {

// Changing the layout of Header or Record: change the magic.
constexpr std::string_view k_magic = "dbuild stat 1\n";
constexpr std::uint64_t k_byte_order = 0x0102030405060708;
constexpr std::uint64_t k_second = 1'000'000'000;
constexpr std::uint64_t k_foreign_clock_slack =
    2 * k_second; // more than the coarsest time stamps of a trusted file system
/// Without a lease, a file this old is taken to have no dirty mapping: the kernel writes those back after 35 s by
/// default, and the next store into one after that stamps the file.
constexpr std::uint64_t k_unleased_age = 60 * k_second;
constexpr std::uint8_t k_max_age = 16;
constexpr std::size_t k_write_bytes = std::size_t{1} << 20;
constexpr auto k_forgotten_after = std::chrono::hours(24 * 30);

std::uint64_t nanoseconds(const timespec& time) {
    return static_cast<std::uint64_t>(time.tv_sec) * k_second + static_cast<std::uint64_t>(time.tv_nsec);
}

} // namespace

struct StatCache::Header {
    char magic[16] = {};
    std::uint64_t byte_order = k_byte_order;
    std::uint64_t device = 0, root_inode = 0, count = 0;
}; // then the records, then the SHA-256 of both

bool is_trusted_file_system(std::uint64_t type) {
    // Not tmpfs: a store into a page that was mapped by reading it stamps nothing there (docs/stat_cache.md).
    constexpr std::uint64_t k_xfs = 0x58465342; // <linux/magic.h> lacks it
    return type == EXT4_SUPER_MAGIC || type == k_xfs || type == BTRFS_SUPER_MAGIC;
}

FileIdentity FileIdentity::of(const struct stat& status) {
    return {status.st_dev,
            status.st_ino,
            static_cast<std::uint64_t>(status.st_size),
            nanoseconds(status.st_mtim),
            nanoseconds(status.st_ctim),
            status.st_mode};
}

StatCache StatCache::open(fs::path folder, int context) {
    StatCache cache;
    struct stat root {};
    struct statfs file_system {};
    if (::fstat(context, &root) != 0 || ::fstatfs(context, &file_system) != 0) return cache;
    cache.device_ = root.st_dev;
    cache.root_inode_ = root.st_ino;
    cache.is_trusted_ = is_trusted_file_system(static_cast<std::uint64_t>(file_system.f_type));
    cache.folder_ = std::move(folder);
    if (cache.is_trusted_ && !cache.folder_.empty() && !cache.read()) cache.known_.clear();
    return cache;
}

/// By the root's inode and not by its path: a context that was moved keeps its cache, and another one in its place has
/// its own.
fs::path StatCache::path() const { return folder_ / fmt::format("{:x}-{:x}.sc", device_, root_inode_); }

Status StatCache::read() {
    DBUILD_TRY_ASSIGN(const auto fd, open_for_reading(path()));
    const auto read_all = [&](void* to, std::size_t size) {
        auto* bytes = static_cast<char*>(to);
        for (std::size_t done = 0; done < size;) {
            const auto count = ::read(fd.get(), bytes + done, size - done);
            if (count <= 0 && !(count < 0 && errno == EINTR)) return false;
            if (count > 0) done += static_cast<std::size_t>(count);
        }
        return true;
    };
    const auto damaged = [&] { return fail(ErrorKind::corrupt, "damaged stat cache: " + path().string()); };
    Header header;
    struct stat status {};
    if (!read_all(&header, sizeof header) || ::fstat(fd.get(), &status) != 0) return damaged();
    if (static_cast<std::uint64_t>(status.st_size) < sizeof header + Digest::k_size) return damaged();
    if (!std::string_view(header.magic, sizeof header.magic).starts_with(k_magic) ||
        header.byte_order != k_byte_order || header.device != device_ || header.root_inode != root_inode_)
        return damaged();
    const auto size = static_cast<std::uint64_t>(status.st_size) - sizeof header - Digest::k_size;
    if (size % sizeof(Record) != 0 || header.count != size / sizeof(Record)) return damaged();
    known_.resize(static_cast<std::size_t>(header.count));
    std::array<std::uint8_t, Digest::k_size> checksum{};
    if (!read_all(known_.data(), static_cast<std::size_t>(size)) || !read_all(checksum.data(), checksum.size()))
        return damaged();
    Sha256 hasher;
    hasher.update({reinterpret_cast<const char*>(&header), sizeof header});
    hasher.update({reinterpret_cast<const char*>(known_.data()), static_cast<std::size_t>(size)});
    if (hasher.finish().bytes() != checksum) return damaged();
    return {};
}

const StatCache::Record* StatCache::find_in(const std::vector<Record>& records, const FileIdentity& identity) {
    const auto found = std::lower_bound(records.begin(), records.end(), identity.inode,
                                        [](const Record& record, std::uint64_t inode) { return record.inode < inode; });
    const bool is_same = found != records.end() && found->inode == identity.inode && found->size == identity.size &&
                         found->modified_ns == identity.modified_ns && found->changed_ns == identity.changed_ns &&
                         found->mode == identity.mode;
    return is_same ? &*found : nullptr;
}

std::optional<StatCache::Known> StatCache::find(const FileIdentity& identity, Trust trust) const {
    if (identity.device != device_) return std::nullopt;
    const auto* record = find_in(fresh_, identity);
    if (record && trust == Trust::proven && !record->is_proven) return std::nullopt;
    if (!record) {
        record = find_in(known_, identity);
        if (!record) return std::nullopt;
        std::atomic_ref(record->age).store(0, std::memory_order_relaxed); // another thread may see a hard link of it
    }
    return Known{Digest(record->content), record->has_xattrs != 0};
}

std::uint64_t StatCache::clock() const {
    if (!folder_.empty()) {
        const Fd probe(::open(folder_.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
        struct stat status {};
        if (probe.is_open() && ::fstat(probe.get(), &status) == 0 && status.st_dev == device_)
            return nanoseconds(status.st_ctim);
    }
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME_COARSE, &now); // what the kernel stamps inodes with
    return nanoseconds(now) - k_foreign_clock_slack;
}

bool StatCache::is_proven(const FileIdentity& identity, Writers writers, std::uint64_t clock) const {
    if (!is_trusted(identity) || writers == Writers::possible) return false;
    const auto needed_age = writers == Writers::unknown ? k_unleased_age : 1;
    return identity.changed_ns + needed_age <= clock;
}

void StatCache::add(const HashedFile& file) {
    const auto& identity = file.identity;
    if (identity.device != device_) return;
    has_news_ = has_news_ || file.is_proven;
    fresh_.push_back({identity.inode, identity.size, identity.modified_ns, identity.changed_ns, identity.mode,
                      file.has_xattrs, file.is_proven, 0, 0, file.content.bytes()});
}

void StatCache::end_adding() {
    const auto rank = [](const Record& record) { // the newest of an inode first
        return std::make_tuple(record.inode, ~record.changed_ns, !record.is_proven);
    };
    std::sort(fresh_.begin(), fresh_.end(), [&](const Record& a, const Record& b) { return rank(a) < rank(b); });
    const auto is_same_inode = [](const Record& a, const Record& b) { return a.inode == b.inode; };
    fresh_.erase(std::unique(fresh_.begin(), fresh_.end(), is_same_inode), fresh_.end());
}

std::vector<const StatCache::Record*> StatCache::records_to_keep() const {
    std::vector<const Record*> records;
    records.reserve(known_.size() + fresh_.size());
    auto next = fresh_.begin();
    const auto take_fresh = [&] {
        if (next->is_proven) records.push_back(&*next);
        ++next;
    };
    for (const auto& record : known_) {
        while (next != fresh_.end() && next->inode < record.inode) take_fresh();
        const bool is_replaced = next != fresh_.end() && next->inode == record.inode;
        if (!is_replaced && record.age < k_max_age) records.push_back(&record);
    }
    while (next != fresh_.end()) take_fresh();
    return records;
}

Status StatCache::save() {
    if (!is_trusted_ || folder_.empty() || !has_news_) return {};
    has_news_ = false; // also when it fails: the next attempt would fail, too
    const auto records = records_to_keep();
    DBUILD_TRY(make_directories(folder_));
    DBUILD_TRY_ASSIGN(auto file, AtomicFile::create(path()));
    Header header;
    std::copy(k_magic.begin(), k_magic.end(), header.magic);
    header.device = device_;
    header.root_inode = root_inode_;
    header.count = records.size();
    Sha256 hasher;
    std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
    const auto write = [&]() -> Status {
        hasher.update(bytes);
        DBUILD_TRY(file.write(bytes));
        bytes.clear();
        return {};
    };
    for (const auto* record : records) {
        auto written = *record;
        ++written.age; // find() makes it 0 again
        bytes.append(reinterpret_cast<const char*>(&written), sizeof written);
        if (bytes.size() >= k_write_bytes) DBUILD_TRY(write());
    }
    DBUILD_TRY(write());
    const auto checksum = hasher.finish().bytes();
    DBUILD_TRY(file.write({reinterpret_cast<const char*>(checksum.data()), checksum.size()}));
    DBUILD_TRY(file.commit(AtomicFile::Durability::not_synced));
    delete_forgotten();
    return {};
}

/// Caches of contexts that were not built for long, and temporary files of processes that were killed.
void StatCache::delete_forgotten() const {
    const auto files = list_folder(folder_);
    if (!files) return;
    for (const auto& file : *files) {
        struct stat status {};
        if (::lstat(file.c_str(), &status) != 0) continue;
        const auto last_use =
            std::chrono::system_clock::from_time_t(std::max(status.st_atim.tv_sec, status.st_mtim.tv_sec));
        if (std::chrono::system_clock::now() - last_use > k_forgotten_after) ::unlink(file.c_str());
    }
}

} // namespace dbuild::cache::context
