// SPDX-License-Identifier: Apache-2.0
// Threads that compress and decompress blocks: the slowest part of storing and of reading a layer, and the only one
// that does not depend on the order.
#pragma once

#include "support/compression.hpp"
#include "support/result.hpp"

#include <functional>
#include <future>
#include <memory>
#include <string>

namespace dbuild::cache::store {

/// A block on its way into a pack. `stored` is `raw` itself where compressing gains less than 2 percent.
struct CompressedBlock {
    std::string stored;
    std::uint32_t raw_bytes = 0;
};

class CompressionPool {
public:
    /// Threads start with the first block.
    explicit CompressionPool(unsigned threads);
    CompressionPool(const CompressionPool&) = delete;
    CompressionPool& operator=(const CompressionPool&) = delete;
    ~CompressionPool();

    std::future<Result<CompressedBlock>> compress(std::string raw, int level);
    /// Runs `work` in one of the threads, with zstd contexts of that thread.
    std::future<Result<std::string>> run(std::function<Result<std::string>(ZstdFrames&)> work);
    /// An empty string for the next block, with the memory of an earlier one: what is asked of the kernel anew for each
    /// block costs a tenth of compressing it.
    std::string block_memory();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace dbuild::cache::store
