// SPDX-License-Identifier: Apache-2.0
// Image archives: reading the OCI layout in a tar as an engine saves it, and writing one piece by piece as an engine
// loads it. Blobs are read in place; nothing is unpacked to disk.
#pragma once

#include "cache/oci/layer_tar.hpp"
#include "support/digest.hpp"
#include "support/result.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace dbuild::cache::oci {

/// A saved image. Members are found by one pass over the headers.
class Archive {
public:
    /// Errors: not_found, unavailable; corrupt — no tar, or a member that does not fit the file.
    static Result<Archive> open(std::filesystem::path path);

    /// Errors: not_found — no such member.
    Result<std::string> read_file(std::string_view name) const;
    /// The blob, checked against its digest. Errors: not_found, corrupt.
    Result<std::string> read_blob(const Digest& digest) const;
    /// The blob as a source; whoever reads it checks it. Errors: not_found.
    Result<ByteSource> blob_source(const Digest& digest) const;

private:
    struct Member {
        std::uint64_t offset = 0, size = 0; // bytes
    };
    explicit Archive(std::filesystem::path path) : path_(std::move(path)) {}
    std::filesystem::path path_;
    std::map<std::string, Member, std::less<>> members_;
};

/// Where an archive of a layout has its blobs, and one of them.
inline constexpr std::string_view k_blob_folder = "blobs/sha256/";
inline std::string blob_member(const Digest& digest) { return std::string(k_blob_folder) + digest.hex(); }

inline constexpr std::size_t k_tar_block_bytes = 512;
struct TarMember {
    std::string name; // at most 100 bytes: what has a longer one is no member of a layout
    std::uint64_t size = 0;
    bool is_file = false;
};
/// In: block — k_tar_block_bytes. Holds nothing if it is no header.
std::optional<TarMember> parse_tar_header(std::string_view block);

/// The 512-byte ustar header of a regular file, mode 0644, owner 0:0, time 0. In: name — at most 100 bytes.
std::string tar_header(std::string_view name, std::uint64_t size);
/// The zero bytes that fill a member of this size up to a whole block.
std::string tar_padding(std::uint64_t size);
inline constexpr std::size_t k_tar_end_bytes = 1024; // zero bytes that close an archive

} // namespace dbuild::cache::oci
