// SPDX-License-Identifier: Apache-2.0
// What a gzip file holds, by the decoder of ISA-L, which takes a quarter of zlib's time. The library is loaded when it
// is needed first, and need not be there.
#pragma once

#include "support/result.hpp"

#include <cstddef>
#include <functional>
#include <memory>

namespace dbuild {

/// Reads the members of a gzip file (RFC 1952 §2.2) one after the other. What stands behind the last one is ignored
/// unless it begins as a member does. Not for members whose header has a checksum (flag FHCRC), which nobody writes:
/// ISA-L 2.30 calls it wrong where the header comes in two pieces.
class Gunzip {
public:
    using Source = std::function<Result<std::size_t>(char* buffer, std::size_t capacity)>; // 0 = end

    /// Out: null — this machine has no ISA-L.
    static std::unique_ptr<Gunzip> create(Source source);
    ~Gunzip();

    /// Out: bytes read, at least one before the end; 0 — the end. Errors: corrupt — damaged or cut off; the source's.
    Result<std::size_t> read(char* buffer, std::size_t capacity);

private:
    struct Impl;
    explicit Gunzip(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

} // namespace dbuild
