// SPDX-License-Identifier: Apache-2.0
// Image archives: reading the OCI layout in a tar as an engine saves it. Blobs are read in place; nothing is unpacked
// to disk.
#pragma once

#include "cache/oci/byte_source.hpp"
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

} // namespace dbuild::cache::oci
