// SPDX-License-Identifier: Apache-2.0
#include "cache/oci/archive.hpp"

#include "support/files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <unistd.h>

namespace dbuild::cache::oci {
namespace {

/// The size field: octal digits, or big-endian binary with the top bit set (GNU) for members of 8 GiB and more.
std::optional<std::uint64_t> read_size(std::string_view field) {
    if (static_cast<unsigned char>(field[0]) & 0x80) {
        std::uint64_t size = 0;
        for (const char c : field.substr(4)) size = size << 8 | static_cast<unsigned char>(c);
        return size;
    }
    const auto first = field.find_first_not_of(' ');
    const auto digits = field.substr(std::min(first, field.size()));
    std::uint64_t size = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), size, 8);
    if (error != std::errc()) return std::nullopt;
    return size;
}

std::string_view text_field(std::string_view field) { return field.substr(0, field.find('\0')); }

} // namespace

std::optional<TarMember> parse_tar_header(std::string_view block) {
    const auto size = read_size(block.substr(124, 12));
    if (!size) return std::nullopt;
    // Layout members have short names; an extended header's own content is never looked up.
    return TarMember{std::string(text_field(block.substr(0, 100))), *size, block[156] == '0' || block[156] == '\0'};
}

Result<Archive> Archive::open(std::filesystem::path path) {
    DBUILD_TRY_ASSIGN(const Fd fd, open_for_reading(path));
    const auto end = ::lseek(fd.get(), 0, SEEK_END);
    Archive archive(std::move(path));
    char header[k_tar_block_bytes];
    std::uint64_t offset = 0;
    while (::pread(fd.get(), header, k_tar_block_bytes, static_cast<off_t>(offset)) ==
           static_cast<ssize_t>(k_tar_block_bytes)) {
        if (header[0] == '\0') return archive;
        const auto member = parse_tar_header({header, k_tar_block_bytes});
        if (!member || member->size > static_cast<std::uint64_t>(end) - offset)
            return fail(ErrorKind::corrupt, "image archive " + archive.path_.string() + " is cut off or damaged");
        if (member->is_file) archive.members_[member->name] = {offset + k_tar_block_bytes, member->size};
        offset += k_tar_block_bytes + member->size + tar_padding(member->size).size();
    }
    return fail(ErrorKind::corrupt, "image archive " + archive.path_.string() + " has no end");
}

Result<std::string> Archive::read_file(std::string_view name) const {
    const auto member = members_.find(name);
    if (member == members_.end()) return fail(ErrorKind::not_found, "image archive has no " + std::string(name));
    DBUILD_TRY_ASSIGN(const Fd fd, open_for_reading(path_));
    std::string bytes(member->second.size, '\0');
    std::size_t done = 0;
    while (done < bytes.size()) {
        const auto count = ::pread(fd.get(), bytes.data() + done, bytes.size() - done,
                                   static_cast<off_t>(member->second.offset + done));
        if (count <= 0)
            return fail(ErrorKind::unavailable, "cannot read " + path_.string() + ": " + std::strerror(errno));
        done += static_cast<std::size_t>(count);
    }
    return bytes;
}

Result<std::string> Archive::read_blob(const Digest& digest) const {
    DBUILD_TRY_ASSIGN(auto bytes, read_file(blob_member(digest)));
    if (sha256(bytes) != digest)
        return fail(ErrorKind::corrupt, "image archive: blob " + digest.to_string() + " is damaged");
    return bytes;
}

Result<ByteSource> Archive::blob_source(const Digest& digest) const {
    const auto member = members_.find(blob_member(digest));
    if (member == members_.end()) return fail(ErrorKind::not_found, "image archive has no blob " + digest.to_string());
    DBUILD_TRY_ASSIGN(Fd fd, open_for_reading(path_));
    struct Cursor { // shared by the copies that std::function makes
        Fd fd;
        std::uint64_t offset, left;
    };
    auto cursor = std::make_shared<Cursor>(Cursor{std::move(fd), member->second.offset, member->second.size});
    return ByteSource([cursor, path = path_](char* buffer, std::size_t capacity) -> Result<std::size_t> {
        const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(capacity, cursor->left));
        if (wanted == 0) return std::size_t{0};
        const auto count = ::pread(cursor->fd.get(), buffer, wanted, static_cast<off_t>(cursor->offset));
        if (count <= 0)
            return fail(ErrorKind::unavailable, "cannot read " + path.string() + ": " + std::strerror(errno));
        cursor->offset += static_cast<std::uint64_t>(count);
        cursor->left -= static_cast<std::uint64_t>(count);
        return static_cast<std::size_t>(count);
    });
}

std::string tar_header(std::string_view name, std::uint64_t size) {
    std::string header(k_tar_block_bytes, '\0');
    const auto put = [&](std::size_t at, std::string_view text) {
        std::copy(text.begin(), text.end(), header.begin() + static_cast<std::ptrdiff_t>(at));
    };
    put(0, name.substr(0, 100));
    put(100, "0000644");
    put(108, "0000000");
    put(116, "0000000");
    if (size < (std::uint64_t{1} << 33)) {
        put(124, fmt::format("{:011o}", size));
    } else { // GNU binary form
        header[124] = static_cast<char>(0x80);
        for (std::size_t i = 0; i < 8; ++i) header[135 - i] = static_cast<char>(size >> (8 * i) & 0xff);
    }
    put(136, "00000000000");
    put(148, "        ");
    header[156] = '0';
    put(257, std::string_view("ustar\00000", 8));
    unsigned sum = 0;
    for (const char c : header) sum += static_cast<unsigned char>(c);
    put(148, fmt::format("{:06o}", sum));
    header[154] = '\0';
    return header;
}

std::string tar_padding(std::uint64_t size) {
    return std::string((k_tar_block_bytes - size % k_tar_block_bytes) % k_tar_block_bytes, '\0');
}

} // namespace dbuild::cache::oci
