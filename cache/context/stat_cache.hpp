// SPDX-License-Identifier: Apache-2.0
// Which files of a context need not be read again, because the kernel says that nobody wrote to them since they were
// hashed. The rule, the file's format and what it does not cover are in docs/stat_cache.md.
#pragma once

#include "support/digest.hpp"
#include "support/result.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <sys/stat.h>
#include <vector>

namespace dbuild::cache::context {

/// What changes whenever a file's bytes, mode or extended attributes do, on a file system that can be trusted with it.
struct FileIdentity {
    std::uint64_t device = 0, inode = 0, size = 0;
    std::uint64_t modified_ns = 0, changed_ns = 0; // mtime and ctime since the epoch, modulo 2^64: for comparing
    std::uint32_t mode = 0;                        // as st_mode

    static FileIdentity of(const struct stat& status);
    friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

/// Whether a file is free of writers that the kernel would not tell of: what a read lease said before its first byte
/// was read.
enum class Writers { none, possible, unknown };

struct HashedFile {
    FileIdentity identity; // the same before and after reading
    Digest content;
    bool has_xattrs = false; // that count
    bool is_proven = false;  // what StatCache::is_proven said: holds for later runs, too
};

class StatCache {
public:
    /// Reads what earlier runs learnt of the context.
    /// In:      folder — where stat caches are kept, made when needed; empty: nothing outlives this object.
    ///          context — descriptor of the context's root.
    /// Errors:  none: a missing, damaged or foreign file is as good as an empty one.
    static StatCache open(std::filesystem::path folder, int context);

    struct Known {
        Digest content;
        bool has_xattrs = false;
    };
    /// `in_this_run` also takes what was hashed in this run but could have changed unnoticed since.
    enum class Trust { in_this_run, proven };
    /// Threads: safe beside other find()s.
    std::optional<Known> find(const FileIdentity& identity, Trust trust) const;

    /// Whether earlier runs left anything.
    bool is_empty() const { return known_.empty(); }

    /// Whether the context lies on a file system whose times can be trusted: ext4, xfs, btrfs.
    bool is_trusted() const { return is_trusted_; }
    /// The same of a file: another file system may be mounted below the context.
    bool is_trusted(const FileIdentity& identity) const { return is_trusted_ && identity.device == device_; }

    /// A moment of the file system's own clock, in ns since the epoch, taken now: whatever is written later gets this
    /// time or a later one. From a file in `folder` if that is on the same file system, else the kernel's coarse clock
    /// less 2 s.
    std::uint64_t clock() const;

    /// Whether a later change must show in the identity. In: clock — taken before the first byte was read.
    bool is_proven(const FileIdentity& identity, Writers writers, std::uint64_t clock) const;

    /// Between begin_adding and end_adding; find() sees them after that. In: count — how many at most, for the memory.
    /// Threads: one caller at a time.
    void begin_adding(std::size_t count) { fresh_.reserve(fresh_.size() + count); }
    void add(const HashedFile& file);
    void end_adding();

    /// Makes what is proven known to later runs: a new file, renamed over the old one. Does nothing if there is nothing
    /// new. Errors:  unavailable, no_space — nothing is lost but time.
    Status save();

private:
    /// As it stands in the file.
    struct Record {
        std::uint64_t inode = 0, size = 0, modified_ns = 0, changed_ns = 0;
        std::uint32_t mode = 0;
        std::uint8_t has_xattrs = 0, is_proven = 0;
        mutable std::uint8_t age = 0; // rewrites of the file since it was last of use
        std::uint8_t zero = 0;
        std::array<std::uint8_t, Digest::k_size> content{};
    };
    struct Header;

    static const Record* find_in(const std::vector<Record>& records, const FileIdentity& identity);
    std::filesystem::path path() const;
    Status read();
    std::vector<const Record*> records_to_keep() const;
    void delete_forgotten() const;

    std::filesystem::path folder_;
    std::uint64_t device_ = 0, root_inode_ = 0;
    bool is_trusted_ = false, has_news_ = false;
    std::vector<Record> known_; // from the file; sorted by inode, one each
    std::vector<Record> fresh_; // of this run; sorted by inode, one each
};

/// In: type — statfs's f_type.
bool is_trusted_file_system(std::uint64_t type);

} // namespace dbuild::cache::context
