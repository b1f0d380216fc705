// SPDX-License-Identifier: Apache-2.0
#include "executors/in_process/archive.hpp"

#include "cache/oci/byte_source.hpp"
#include "cache/oci/decompression.hpp"
#include "cache/oci/libarchive_reader.hpp"
#include "cache/oci/tar_stream.hpp"
#include "executors/in_process/scratch_file.hpp"

#include <archive_entry.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <unistd.h>

namespace dbuild::executors::in_process {
namespace {

using cache::oci::EntryType;

constexpr std::size_t k_buffer_bytes = std::size_t{1} << 17;
constexpr std::size_t k_max_link = 4095; // the kernel's
constexpr std::string_view k_capability = "security.capability";

using Reader = cache::oci::LibarchiveReader;

/// The file's bytes, hashed on the way.
struct Input {
    int fd = -1;
    Sha256 hasher;
    std::string buffer = std::string(k_buffer_bytes, '\0');
    int error = 0; // errno
    bool is_empty = true;

    la_ssize_t pull() {
        ssize_t count = 0;
        do count = ::read(fd, buffer.data(), buffer.size());
        while (count < 0 && errno == EINTR);
        if (count < 0) error = errno;
        if (count > 0) hasher.update({buffer.data(), static_cast<std::size_t>(count)});
        is_empty = is_empty && count <= 0;
        return count;
    }
    static la_ssize_t read(archive*, void* context, const void** data) {
        auto& input = *static_cast<Input*>(context);
        *data = input.buffer.data();
        return input.pull();
    }
};

Reader open_reader(Input& input, int (*support_format)(archive*), bool& is_open) {
    Reader reader(archive_read_new());
    cache::oci::support_filters(reader.get());
    support_format(reader.get());
    is_open = archive_read_open(reader.get(), &input, nullptr, Input::read, nullptr) == ARCHIVE_OK;
    return reader;
}

/// A number in a header, as octal digits among blanks and zeros, or as binary after a set highest bit; nothing if it is
/// neither.
std::optional<std::int64_t> number_in(std::string_view field) {
    if ((field.front() & 0x80) == 0) {
        const auto begin = std::min(field.find_first_not_of(std::string_view(" \0", 2)), field.size());
        field = field.substr(begin, field.find_last_not_of(std::string_view(" \0", 2)) + 1 - begin);
        field = field.substr(0, field.find('\0'));
        std::int64_t value = 0;
        const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value, 8);
        if (field.empty()) return 0;
        if (field.front() == '-' || error != std::errc() || end != field.data() + field.size()) return std::nullopt;
        return value;
    }
    const bool is_negative = (field.front() & 0x40) != 0;
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < field.size(); ++i) {
        if (value >> 56) return std::nullopt;
        const auto byte = static_cast<unsigned char>(is_negative ? ~field[i] : field[i]);
        value = value << 8 | (i == 0 ? byte & 0x7f : byte);
    }
    if (value >> 63) return std::nullopt;
    return is_negative ? ~static_cast<std::int64_t>(value) : static_cast<std::int64_t>(value);
}

/// Mode, owner, size and time; of POSIX's and GNU's headers also the device numbers.
bool has_numbers(std::string_view block) {
    const auto is_number = [&](std::size_t at, std::size_t bytes) {
        return number_in(block.substr(at, bytes)).has_value();
    };
    const bool has_device = block.substr(257, 5) == "ustar";
    return is_number(100, 8) && is_number(108, 8) && is_number(116, 8) &&
           number_in(block.substr(124, 12)).value_or(-1) >= 0 && is_number(136, 12) &&
           (!has_device || (is_number(329, 8) && is_number(337, 8)));
}

/// Source: Go's archive/tar: blocks of zeros are an end, not a header.
bool is_tar_header(std::string_view block) {
    return block.size() >= cache::oci::k_tar_block_bytes && block.find_first_not_of('\0') != block.npos &&
           cache::oci::has_tar_checksum(block) && has_numbers(block);
}

tl::unexpected<Error> damaged(archive* reader) {
    const char* text = archive_error_string(reader);
    return fail(ErrorKind::step_failed, std::string("cannot unpack: ") + (text ? text : "unknown error"));
}

const char* either(const char* plain, const char* utf8) { return plain ? plain : utf8; }

/// "." and "./", but not "/": that one changes the folder that the archive goes to.
bool is_dot(std::string_view name) {
    return !name.starts_with('/') && name.find("..") == name.npos && cache::oci::clean_path(name).empty();
}

/// The kernel's limits. Errors: step_failed.
Status check_name(std::string_view path) {
    constexpr std::size_t k_max_path = 4095, k_max_name = 255; // bytes
    bool fits = path.size() <= k_max_path;
    for (std::size_t begin = 0; begin < path.size() && fits;) {
        const auto end = std::min(path.find('/', begin), path.size());
        fits = end - begin <= k_max_name;
        begin = end + 1;
    }
    if (!fits)
        return fail(ErrorKind::step_failed,
                    "cannot unpack " + std::string(path.substr(0, k_max_name)) + "…: the name is too long");
    return {};
}

Result<EntryType> type_of(archive_entry* raw) {
    if (const auto type = cache::oci::entry_type_of(archive_entry_filetype(raw))) return *type;
    return fail(ErrorKind::step_failed, "cannot unpack: an entry of a type that no file has");
}

/// Asks for no more than the entry has: what stands behind it is the next header's matter.
Status read_body(archive* reader, archive_entry* raw, CopiedEntry& copied, ScratchFile& scratch) {
    const auto offset = scratch.size();
    Sha256 hasher;
    std::string buffer(k_buffer_bytes, '\0');
    for (auto left = static_cast<std::uint64_t>(archive_entry_size(raw)); left > 0;) {
        const auto count = archive_read_data(reader, buffer.data(), std::min<std::uint64_t>(left, buffer.size()));
        if (count < 0) return damaged(reader);
        if (count == 0) break;
        left -= static_cast<std::uint64_t>(count);
        const std::string_view bytes(buffer.data(), static_cast<std::size_t>(count));
        hasher.update(bytes);
        DBUILD_TRY(scratch.append(bytes));
    }
    copied.entry.size = scratch.size() - offset;
    copied.entry.content = hasher.finish();
    if (copied.entry.size > 0) copied.body = scratch.reader(offset, copied.entry.size);
    return {};
}

/// A target that libarchive does not give (read_pax_link): the archive is read again up to there. Or "".
Result<std::string> read_link_again(int file, std::int64_t position) {
    const cache::oci::ByteSource bytes = [file, at = off_t{0}](char* buffer,
                                                               std::size_t capacity) mutable -> Result<std::size_t> {
        const auto count = ::pread(file, buffer, capacity, at);
        if (count < 0)
            return fail(ErrorKind::unavailable, std::string("cannot read an archive: ") + std::strerror(errno));
        at += count;
        return static_cast<std::size_t>(count);
    };
    DBUILD_TRY_ASSIGN(const auto tar, cache::oci::decompressed(bytes));
    for (auto left = static_cast<std::uint64_t>(position); left > 0;) {
        DBUILD_TRY_ASSIGN(const auto passed,
                          cache::oci::read_start(tar, std::min<std::uint64_t>(left, k_buffer_bytes)));
        if (passed.empty()) return std::string();
        left -= passed.size();
    }
    return cache::oci::read_pax_link(tar);
}

Result<CopiedEntry> read_entry(archive* reader, archive_entry* raw, std::string_view name, const Input& input,
                               ScratchFile& scratch) {
    CopiedEntry copied;
    auto& entry = copied.entry;
    entry.path = cache::oci::clean_path(name);
    DBUILD_TRY(check_name(entry.path));
    entry.mode = static_cast<std::uint32_t>(archive_entry_perm(raw)) & 07777;
    if (archive_entry_uid(raw) < 0 || archive_entry_gid(raw) < 0 || archive_entry_uid(raw) > UINT32_MAX ||
        archive_entry_gid(raw) > UINT32_MAX)
        return fail(ErrorKind::step_failed, "cannot unpack " + std::string(name) + ": no such owner");
    entry.uid = static_cast<std::uint64_t>(archive_entry_uid(raw));
    entry.gid = static_cast<std::uint64_t>(archive_entry_gid(raw));
    entry.mtime_seconds = std::max<std::int64_t>(0, archive_entry_mtime(raw)); // earlier times become 1970
    const char* key = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    archive_entry_xattr_reset(raw);
    while (archive_entry_xattr_next(raw, &key, &value, &size) == ARCHIVE_OK)
        if (key == k_capability) entry.xattrs.emplace(key, std::string(static_cast<const char*>(value), size));
    if (const char* target = either(archive_entry_hardlink(raw), archive_entry_hardlink_utf8(raw))) {
        entry.type = EntryType::hard_link;
        entry.link_target = cache::oci::clean_path(target);
        return copied;
    }
    DBUILD_TRY_ASSIGN(entry.type, type_of(raw));
    if (entry.type == EntryType::symlink) {
        const char* target = either(archive_entry_symlink(raw), archive_entry_symlink_utf8(raw));
        entry.link_target = target ? target : "";
        if (entry.link_target.empty()) {
            DBUILD_TRY_ASSIGN(entry.link_target, read_link_again(input.fd, archive_read_header_position(reader)));
        }
        if (entry.link_target.empty() || entry.link_target.size() > k_max_link)
            return fail(ErrorKind::step_failed, "cannot unpack " + std::string(name) + ": an empty or too long link");
        entry.mode = 0777;
    } else if (entry.type == EntryType::file) {
        DBUILD_TRY(read_body(reader, raw, copied, scratch));
    } else if (entry.type == EntryType::character_device || entry.type == EntryType::block_device) {
        entry.device_major = static_cast<std::uint32_t>(archive_entry_rdevmajor(raw));
        entry.device_minor = static_cast<std::uint32_t>(archive_entry_rdevminor(raw));
    }
    return copied;
}

/// Whether all that is missing are zeros behind a body, up to a full block: Go's reader takes that for the archive's
/// end. In: reader — failed to find the next header, after all bodies were read.
bool is_cut_behind_body(archive* reader) {
    const char* text = archive_error_string(reader); // of skipping; what cannot be read has other words
    return text && std::string_view(text).starts_with("Truncated input file");
}

Result<std::vector<CopiedEntry>> read_entries(archive* reader, const Input& input, ScratchFile& scratch) {
    std::vector<CopiedEntry> entries;
    for (archive_entry* raw = nullptr;;) {
        const int code = archive_read_next_header(reader, &raw);
        if (code == ARCHIVE_EOF || (code == ARCHIVE_FATAL && is_cut_behind_body(reader))) return entries;
        if (code != ARCHIVE_OK && code != ARCHIVE_WARN) return damaged(reader);
        const char* name = either(archive_entry_pathname(raw), archive_entry_pathname_utf8(raw));
        if (!name || !*name) return fail(ErrorKind::step_failed, "cannot unpack: an entry without a name");
        if (is_dot(name)) continue;
        DBUILD_TRY_ASSIGN(auto copied, read_entry(reader, raw, name, input, scratch));
        entries.push_back(std::move(copied));
    }
}

} // namespace

Result<bool> is_archive(const Fd& file) {
    if (::lseek(file.get(), 0, SEEK_SET) != 0) return false; // a pipe or the like
    Input input;
    input.fd = file.get();
    bool is_open = false;
    const auto reader = open_reader(input, archive_read_support_format_raw, is_open);
    archive_entry* whole = nullptr;
    std::string block(cache::oci::k_tar_block_bytes, '\0');
    std::size_t size = 0;
    bool is_damaged = false; // then unpacking it says how, where copying it would hide it
    if (!is_open || archive_read_next_header(reader.get(), &whole) != ARCHIVE_OK) {
        is_damaged = !input.is_empty; // nothing but decompressing can fail here
    } else {
        while (size < block.size()) {
            const auto count = archive_read_data(reader.get(), block.data() + size, block.size() - size);
            is_damaged = count < 0;
            if (count <= 0) break;
            size += static_cast<std::size_t>(count);
        }
    }
    if (input.error)
        return fail(ErrorKind::unavailable,
                    std::string("cannot read a file that ADD names: ") + std::strerror(input.error));
    return is_damaged || is_tar_header(std::string_view(block).substr(0, size));
}

Result<std::vector<CopiedEntry>> read_archive(const Fd& file, const Digest& content) {
    DBUILD_TRY_ASSIGN(const auto scratch, ScratchFile::create());
    if (::lseek(file.get(), 0, SEEK_SET) != 0)
        return fail(ErrorKind::unavailable, std::string("cannot read an archive: ") + std::strerror(errno));
    Input input;
    input.fd = file.get();
    bool is_open = false;
    const auto reader = open_reader(input, archive_read_support_format_tar, is_open);
    auto entries =
        is_open ? read_entries(reader.get(), input, *scratch) : Result<std::vector<CopiedEntry>>(damaged(reader.get()));
    while (input.pull() > 0) {
    } // what stands behind the archive counts too
    if (input.error)
        return fail(ErrorKind::unavailable, std::string("cannot read an archive: ") + std::strerror(input.error));
    if (input.hasher.finish() != content) return fail(ErrorKind::transient, "an archive changed while it was unpacked");
    return entries;
}

} // namespace dbuild::executors::in_process
