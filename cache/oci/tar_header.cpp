// SPDX-License-Identifier: Apache-2.0
#include "cache/oci/tar_header.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

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
    if (!size || *size > k_max_tar_member_bytes || !has_tar_checksum(block)) return std::nullopt;
    return TarMember{std::string(text_field(block.substr(0, 100))), *size, block[156]};
}

bool has_tar_checksum(std::string_view block) {
    const auto field = block.substr(148, 8);
    const auto first = std::min(field.find_first_not_of(' '), field.size());
    std::int64_t said = 0, as_unsigned = 0, as_signed = 0;
    if (std::from_chars(field.data() + first, field.data() + field.size(), said, 8).ec != std::errc()) return false;
    for (std::size_t i = 0; i < k_tar_block_bytes; ++i) {
        const char byte = i >= 148 && i < 156 ? ' ' : block[i];
        as_unsigned += static_cast<unsigned char>(byte);
        as_signed += static_cast<signed char>(byte);
    }
    return said == as_unsigned || said == as_signed;
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
