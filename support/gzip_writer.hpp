// SPDX-License-Identifier: Apache-2.0
// gzip streams of any length, made by several threads. A stream is a row of members (RFC 1952 §2.2), each of 512 KiB of
// the input: the bytes depend on the level and the library's version alone, not on threads, machine or time.
#pragma once

#include "support/result.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace dbuild {

inline constexpr int k_gzip_level = 6; // as gzip itself

/// Compresses a stream into members without name and time. finish() once, after the last write().
class GzipWriter {
public:
    using Sink = std::function<Status(std::string_view)>;
    /// In: level — 0 to 9. threads — at least 1; each holds 1 MiB of the stream and of what becomes of it.
    explicit GzipWriter(Sink sink, int level = k_gzip_level, std::size_t threads = 1);
    ~GzipWriter();
    GzipWriter(GzipWriter&&) noexcept;
    /// Errors of both: the sink's.
    Status write(std::string_view bytes);
    Status finish();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// "libdeflate 1.14": another version may make other bytes of the same stream.
std::string gzip_release();

} // namespace dbuild
