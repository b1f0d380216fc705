// SPDX-License-Identifier: Apache-2.0
// How far long work is, for whoever shows it.
#pragma once

#include <cstdint>
#include <functional>

namespace dbuild {

/// Told (done, of all), in whatever unit; both may be 0. May be null.
using WorkProgress = std::function<void(std::uint64_t, std::uint64_t)>;

} // namespace dbuild
