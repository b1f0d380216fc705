// SPDX-License-Identifier: Apache-2.0
// Headers of tars: of the archives that hold an image's blobs, and what tells a tar from other bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dbuild::cache::oci {

inline constexpr std::size_t k_tar_block_bytes = 512;
inline constexpr std::size_t k_tar_end_bytes = 1024;                            // zero bytes that close an archive
inline constexpr std::uint64_t k_max_tar_member_bytes = std::uint64_t{1} << 60; // what says more is damaged

struct TarMember {
    std::string name; // at most 100 bytes: what has a longer one is no member of a layout
    std::uint64_t size = 0;
    char type = '0';
    bool is_file() const { return type == '0' || type == '\0'; }
};
/// In: block — k_tar_block_bytes. Holds nothing if it is no header.
std::optional<TarMember> parse_tar_header(std::string_view block);

/// True if the sum of the block's bytes is what the block says, as unsigned bytes or, as old programs had it, as signed
/// ones. In: block — k_tar_block_bytes.
bool has_tar_checksum(std::string_view block);

/// The 512-byte ustar header of a regular file, mode 0644, owner 0:0, time 0. In: name — at most 100 bytes.
std::string tar_header(std::string_view name, std::uint64_t size);
/// The zero bytes that fill a member of this size up to a whole block.
std::string tar_padding(std::uint64_t size);

} // namespace dbuild::cache::oci
