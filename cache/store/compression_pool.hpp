// SPDX-License-Identifier: Apache-2.0
// Threads that compress blocks: the slowest part of storing a layer, and the only one that does not depend on the
// order.
#pragma once

#include "support/result.hpp"

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

    std::future<Result<CompressedBlock>> submit(std::string raw, int level);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace dbuild::cache::store
