// SPDX-License-Identifier: Apache-2.0
#include "cache/oci/layer_tar.hpp"

#include "cache/oci/byte_source.hpp"
#include "cache/oci/decompression.hpp"
#include "cache/oci/libarchive_reader.hpp"
#include "cache/oci/tar_stream.hpp"

#include <archive_entry.h>

#include <cstring>
#include <memory>
#include <optional>
#include <sys/stat.h>

namespace dbuild::cache::oci {
namespace {

constexpr std::size_t k_buffer_bytes = std::size_t{1} << 18;

tl::unexpected<Error> archive_failure(archive* handle, std::string_view what) {
    const char* text = archive_error_string(handle);
    return fail(ErrorKind::corrupt, "layer: " + std::string(what) + ": " + (text ? text : "unknown error"));
}

/// The decoded bytes: hashed and handed on while the tar reader pulls them.
struct TarInput {
    TarInput(const ByteSource& from, const ByteSink& to) : decoded(from), sink(to) {}
    const ByteSource& decoded;
    const ByteSink& sink;
    Sha256 hasher;
    std::uint64_t size = 0;
    std::string buffer, previous; // of the tar, the last bytes and those before them
    std::optional<Error> error;

    Result<std::size_t> pull() {
        std::swap(buffer, previous);
        buffer.resize(k_buffer_bytes);
        std::size_t count = 0;
        while (count < buffer.size()) {
            DBUILD_TRY_ASSIGN(const auto got, decoded(buffer.data() + count, buffer.size() - count));
            if (got == 0) break;
            count += got;
        }
        buffer.resize(count);
        hasher.update(buffer);
        size += count;
        if (sink && count > 0) DBUILD_TRY(sink(buffer));
        return count;
    }
    /// The bytes from there to the last one; none if they are gone.
    std::string since(std::uint64_t offset) const {
        const auto kept = previous + buffer;
        const auto begin = size - kept.size();
        return offset < begin || offset > size ? std::string() : kept.substr(offset - begin);
    }
    static la_ssize_t read(archive*, void* context, const void** data) {
        auto& input = *static_cast<TarInput*>(context);
        auto count = input.pull();
        *data = input.buffer.data();
        if (count) return static_cast<la_ssize_t>(*count);
        input.error = std::move(count).error();
        return -1;
    }
};

/// Entry names are relative; one that climbs out of the root is hostile.
Result<std::string> entry_path(const char* name) {
    if (!name) return fail(ErrorKind::corrupt, "layer: an entry without a name");
    const std::string_view text(name);
    for (std::size_t begin = 0; begin <= text.size();) {
        const auto end = std::min(text.find('/', begin), text.size());
        if (text.substr(begin, end - begin) == "..")
            return fail(ErrorKind::corrupt, "layer: entry leaves the root: " + std::string(text));
        begin = end + 1;
    }
    return clean_path(text);
}

Result<Digest> hash_data(archive* tar, const std::string& path, const FileSink& files) {
    Sha256 hasher;
    std::string buffer(k_buffer_bytes, '\0');
    for (;;) {
        const auto count = archive_read_data(tar, buffer.data(), buffer.size());
        if (count < 0) return archive_failure(tar, "cannot read an entry");
        if (count == 0) return hasher.finish();
        const std::string_view bytes(buffer.data(), static_cast<std::size_t>(count));
        hasher.update(bytes);
        if (files) DBUILD_TRY(files(path, bytes));
    }
}

Result<EntryType> entry_type(archive_entry* entry) {
    if (const auto type = entry_type_of(archive_entry_filetype(entry))) return *type;
    return fail(ErrorKind::corrupt, "layer: an entry of unknown type");
}

Result<std::string> symlink_target(archive* tar, archive_entry* raw, const TarInput& input, const std::string& path) {
    if (const char* target = archive_entry_symlink(raw); target && *target) return std::string(target);
    const auto bytes = input.since(static_cast<std::uint64_t>(archive_read_header_position(tar)));
    DBUILD_TRY_ASSIGN(auto target, read_pax_link(text_source(bytes)));
    if (target.empty()) return fail(ErrorKind::corrupt, "layer: a link to nothing: " + path);
    return target;
}

Result<LayerEntry> read_entry(archive* tar, archive_entry* raw, const TarInput& input, const FileSink& files) {
    LayerEntry entry;
    DBUILD_TRY_ASSIGN(entry.path, entry_path(archive_entry_pathname(raw)));
    entry.mode = static_cast<std::uint32_t>(archive_entry_perm(raw)) & 07777;
    entry.uid = static_cast<std::uint64_t>(archive_entry_uid(raw));
    entry.gid = static_cast<std::uint64_t>(archive_entry_gid(raw));
    entry.mtime_seconds = archive_entry_mtime(raw);
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    archive_entry_xattr_reset(raw);
    while (archive_entry_xattr_next(raw, &name, &value, &size) == ARCHIVE_OK)
        entry.xattrs.emplace(name, std::string(static_cast<const char*>(value), size));
    if (const char* target = archive_entry_hardlink(raw)) {
        entry.type = EntryType::hard_link;
        DBUILD_TRY_ASSIGN(entry.link_target, entry_path(target));
        return entry;
    }
    DBUILD_TRY_ASSIGN(entry.type, entry_type(raw));
    if (entry.type == EntryType::symlink) {
        DBUILD_TRY_ASSIGN(entry.link_target, symlink_target(tar, raw, input, entry.path));
    } else if (entry.type == EntryType::file) {
        entry.size = static_cast<std::uint64_t>(archive_entry_size(raw));
        DBUILD_TRY_ASSIGN(entry.content, hash_data(tar, entry.path, files));
    } else if (entry.type == EntryType::character_device || entry.type == EntryType::block_device) {
        entry.device_major = static_cast<std::uint32_t>(archive_entry_rdevmajor(raw));
        entry.device_minor = static_cast<std::uint32_t>(archive_entry_rdevminor(raw));
    }
    return entry;
}

Result<TableOfContents> read_contents(archive* tar, const TarInput& input, const FileSink& files) {
    TableOfContents contents;
    archive_entry* raw = nullptr;
    for (;;) {
        const int code = archive_read_next_header(tar, &raw);
        if (code == ARCHIVE_EOF) return contents;
        if (code != ARCHIVE_OK && code != ARCHIVE_WARN) return archive_failure(tar, "no tar");
        DBUILD_TRY_ASSIGN(auto entry, read_entry(tar, raw, input, files));
        contents.entries.push_back(std::move(entry));
    }
}

} // namespace

Result<LayerScan> scan_layer(const ByteSource& blob, const ByteSink& uncompressed, const FileSink& files) {
    DBUILD_TRY_ASSIGN(const auto decoded, decompressed(blob));
    TarInput tar_input(decoded, uncompressed);
    const LibarchiveReader tar(archive_read_new());
    archive_read_support_format_tar(tar.get());
    const bool is_tar = archive_read_open(tar.get(), &tar_input, nullptr, TarInput::read, nullptr) == ARCHIVE_OK;
    Result<TableOfContents> contents = is_tar ? read_contents(tar.get(), tar_input, files)
                                              : Result<TableOfContents>(archive_failure(tar.get(), "no tar"));
    if (tar_input.error) return fail(std::move(*tar_input.error));
    if (!contents) return fail(std::move(contents).error());
    for (std::size_t count = 1; count > 0;) { // the diff_id covers also what comes after the end of the tar
        DBUILD_TRY_ASSIGN(count, tar_input.pull());
    }
    return LayerScan{tar_input.hasher.finish(), tar_input.size, std::move(*contents)};
}

std::optional<EntryType> entry_type_of(std::uint32_t mode) {
    switch (mode & S_IFMT) {
    case S_IFREG: return EntryType::file;
    case S_IFDIR: return EntryType::directory;
    case S_IFLNK: return EntryType::symlink;
    case S_IFCHR: return EntryType::character_device;
    case S_IFBLK: return EntryType::block_device;
    case S_IFIFO: return EntryType::fifo;
    default: return std::nullopt;
    }
}

bool LayerEntry::is_whiteout() const {
    const auto slash = path.rfind('/');
    return std::string_view(path).substr(slash == path.npos ? 0 : slash + 1).starts_with(".wh.");
}

bool LayerEntry::is_opaque_marker() const {
    const auto slash = path.rfind('/');
    return std::string_view(path).substr(slash == path.npos ? 0 : slash + 1) == ".wh..wh..opq";
}

std::string clean_path(std::string_view path) {
    std::vector<std::string_view> parts;
    for (std::size_t begin = 0; begin <= path.size();) {
        const auto end = std::min(path.find('/', begin), path.size());
        const auto part = path.substr(begin, end - begin);
        if (part == "..") {
            if (!parts.empty()) parts.pop_back();
        } else if (!part.empty() && part != ".") {
            parts.push_back(part);
        }
        begin = end + 1;
    }
    std::string clean;
    for (const auto part : parts) {
        if (!clean.empty()) clean += '/';
        clean += part;
    }
    return clean;
}

std::string parent_path(std::string_view path) {
    const auto slash = path.rfind('/');
    return std::string(slash == path.npos ? std::string_view() : path.substr(0, slash));
}

std::string base_name(std::string_view path) { return std::string(path.substr(path.rfind('/') + 1)); }

} // namespace dbuild::cache::oci
