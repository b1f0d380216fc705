// SPDX-License-Identifier: Apache-2.0
// How much of a context was really read.
#pragma once

#include <cstdint>

namespace dbuild::cache::context {

struct ContextCounters {
    std::uint64_t bytes_read = 0, files_hashed = 0;
};

} // namespace dbuild::cache::context
