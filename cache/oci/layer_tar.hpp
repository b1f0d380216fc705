// SPDX-License-Identifier: Apache-2.0
// What a layer's tar holds: the scan of it, its table of contents and the stored form of that, content IDs, and the
// tree that several layers give. Storing layers is cache/store's business.
#pragma once

#include "support/digest.hpp"
#include "support/result.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dbuild::cache::oci {

enum class EntryType : std::uint8_t { file, directory, symlink, hard_link, character_device, block_device, fifo };

/// In: mode — its S_IFMT bits count, which are also what libarchive calls a file type. Nothing: a socket, or no type.
std::optional<EntryType> entry_type_of(std::uint32_t mode);

/// One member of a layer. Names are raw bytes.
struct LayerEntry {
    std::string path; // no leading or trailing slash; "" is the root
    EntryType type = EntryType::file;
    std::uint32_t mode = 0; // 12 bits
    std::uint64_t uid = 0, gid = 0;
    std::uint64_t size = 0;
    std::int64_t mtime_seconds = 0;
    std::map<std::string, std::string> xattrs;
    std::string link_target; // a symlink's text, or the path of a hard link's target
    std::uint32_t device_major = 0, device_minor = 0;
    Digest content; // SHA-256 of a file's bytes

    bool is_whiteout() const; // base name starts with ".wh."
    bool is_opaque_marker() const;
};

struct TableOfContents {
    std::vector<LayerEntry> entries; // in tar order
};

struct LayerScan {
    Digest diff_id;         // of all uncompressed bytes
    std::uint64_t size = 0; // uncompressed
    TableOfContents contents;
};

using ByteSource = std::function<Result<std::size_t>(char* buffer, std::size_t capacity)>; // 0 = end
using ByteSink = std::function<Status(std::string_view)>;
using FileSink = std::function<Status(const std::string& path, std::string_view bytes)>; // piece by piece
using BodyReader = std::function<Status(const ByteSink&)>; // hands on the bytes of one file
/// Takes an entry of a layer that is being made: of a file, `size` and `content` that its bytes are expected to have (a
/// content that nobody knows is zero), and the bytes, where there are any.
using EntrySink = std::function<Status(LayerEntry entry, const BodyReader& body)>;

/// Reads a layer once, of any length, decompressing it if need be; `uncompressed` may be null and gets every byte of
/// the tar, `files` may be null and gets the bytes of every regular file. Errors: corrupt — no tar, damaged, or an
/// entry that leaves the root; what source and sinks fail with.
Result<LayerScan> scan_layer(const ByteSource& blob, const ByteSink& uncompressed = nullptr,
                             const FileSink& files = nullptr);

enum class TimePolicy { ignored, counted_outside_run_interval };

/// Both ends included.
struct RunInterval {
    std::int64_t first_second = 0, last_second = -1;
};

/// What a layer does to the files, however its tar was written. Source: design "Step keys", Content ID.
Digest content_id(const TableOfContents& contents, TimePolicy policy, RunInterval interval = {});

/// The stored form: versioned, little endian, length-prefixed.
std::string encode(const TableOfContents& contents);
/// Errors: corrupt — anything but the bytes of encode().
Result<TableOfContents> decode_contents(std::string_view bytes);

/// Without leading, trailing and doubled slashes, "." and ".."; ".." stays inside the root.
std::string clean_path(std::string_view path);

/// The folder of a clean path; "" for what stands in the root.
std::string parent_path(std::string_view path);
/// Its last part.
std::string base_name(std::string_view path);

/// The files that layers give, one applied over the other.
class FileTree {
public:
    void apply(const TableOfContents& layer);            // with whiteouts
    const LayerEntry* find(std::string_view path) const; // does not follow links; null if absent
    /// Follows links, never out of the root. Errors: not_found.
    Result<std::string> resolve(std::string_view path) const;
    const std::map<std::string, LayerEntry, std::less<>>& entries() const { return entries_; }

private:
    void remove_below(const std::string& path);
    std::map<std::string, LayerEntry, std::less<>> entries_;
};

/// Digest of a path with everything below it, told entry by entry in the order of the bytes of the names. Times do not
/// count.
class SubtreeHasher {
public:
    /// In: name — relative to the path; "" is the path itself. entry — its own path is not looked at; no hard link.
    void add(std::string_view name, const LayerEntry& entry);
    Digest finish() { return hasher_.finish(); }

private:
    Sha256 hasher_;
};

/// One path that a COPY source selects.
struct SelectedPath {
    std::string named; // as the source or its wildcards name it
    std::string path;  // links followed
};

/// True when a walk that sorts each folder's names by bytes comes to `a` first.
bool is_walked_before(std::string_view a, std::string_view b);

/// What a COPY source selects, in the order in which it is copied; it may hold Go's wildcards, which may select
/// nothing. Errors: not_found — `"/x": not found`, also of the folder before the first wildcard; invalid_dockerfile — a
/// malformed wildcard.
Result<std::vector<SelectedPath>> select(const FileTree& tree, std::string_view source);

/// Of what a COPY --from source selects; it may hold Go's wildcards. Errors: not_found — `"/x": not found`.
Result<Digest> selection_digest(const FileTree& tree, std::string_view source);

} // namespace dbuild::cache::oci
