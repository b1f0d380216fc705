// SPDX-License-Identifier: Apache-2.0
// The same work on each of several things, a few at a time.
#pragma once

#include "support/result.hpp"

#include <cstddef>
#include <functional>

namespace dbuild {

/// Calls work(0) … work(count - 1), begun in this order, from this thread and up to `threads` - 1 further ones.
/// Errors: the first failure; then nothing further is begun, and what runs is waited for.
Status for_each_parallel(std::size_t count, std::size_t threads, const std::function<Status(std::size_t index)>& work);

} // namespace dbuild
