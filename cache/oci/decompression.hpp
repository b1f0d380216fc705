// SPDX-License-Identifier: Apache-2.0
// What a blob holds, plain or compressed as layers are.
#pragma once

#include "cache/oci/layer_tar.hpp"

namespace dbuild::cache::oci {

/// Bytes of a blob's start that tell how it is compressed.
inline constexpr std::size_t k_compression_mark_bytes = 6;
bool is_compressed(std::string_view start);

/// In:     blob — plain, or compressed by gzip, zstd, xz or bzip2, which its first bytes tell; borrowed.
/// Out:    a source of what it holds.
/// Errors: corrupt — an empty blob, or when it is read: damaged, or cut off; the blob's own.
Result<ByteSource> decompressed(const ByteSource& blob);

} // namespace dbuild::cache::oci
