// SPDX-License-Identifier: Apache-2.0
// Sizes and ages as users write them.
#pragma once

#include "support/result.hpp"

#include <cstdint>
#include <string_view>

namespace dbuild {

/// "20GB", "500MiB", "1.5g", "4096". Units: powers of 1000, with an i of 1024. Errors: usage.
Result<std::uint64_t> parse_byte_count(std::string_view text);
/// "30d", "12h", "90m", "3600s", "3600". Errors: usage.
Result<std::uint64_t> parse_age_seconds(std::string_view text);

} // namespace dbuild
