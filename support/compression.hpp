// SPDX-License-Identifier: Apache-2.0
// zstd, whose header stays in compression.cpp: short texts in one piece, and streams of any length.
#pragma once

#include "support/result.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace dbuild {

inline constexpr int k_zstd_level = 3; // the best ratio per second in the measurements of ../reference/storage.md §1.4

Result<std::string> zstd_compress(std::string_view bytes, int level = k_zstd_level);

/// Errors: corrupt — no zstd frame, a wrong checksum, or more than `max_size` bytes.
Result<std::string> zstd_decompress(std::string_view bytes, std::size_t max_size);

/// Compresses a stream into one frame with a checksum. finish() once, after the last write().
class ZstdWriter {
public:
    using Sink = std::function<Status(std::string_view)>;
    explicit ZstdWriter(Sink sink, int level = k_zstd_level);
    ~ZstdWriter();
    ZstdWriter(ZstdWriter&&) noexcept;
    Status write(std::string_view bytes);
    Status finish();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// "zstd 1.5.4", as it runs: another version may make other bytes of the same stream.
std::string zstd_release();

/// One frame a call, with its size in the header and a checksum; contexts and memory are used again. For one thread at
/// a time.
class ZstdFrames {
public:
    ZstdFrames();
    ~ZstdFrames();
    ZstdFrames(ZstdFrames&&) noexcept;
    Result<std::string> compress(std::string_view bytes, int level = k_zstd_level);
    /// In: recycled — a string whose memory is used again. Errors: corrupt — no frame, a wrong checksum, or not exactly
    /// `size` bytes.
    Result<std::string> decompress(std::string_view frame, std::size_t size, std::string recycled = {});

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// Decompresses all frames of a source (0 = its end) into the sink.
/// Errors: corrupt — damaged or cut off; what source or sink fail with.
Status zstd_decompress_stream(const std::function<Result<std::size_t>(char*, std::size_t)>& source,
                              const std::function<Status(std::string_view)>& sink);

} // namespace dbuild
