// SPDX-License-Identifier: Apache-2.0
// Instants as the texts that OCI images and BuildKit use (RFC 3339, UTC, nanoseconds).
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace dbuild {

using Instant = std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>;

/// "2026-11-21T05:43:13.104658082Z", always nine digits of a second.
std::string format_rfc3339(Instant instant);
/// "2026-11-21T05:43:13Z", the digits of a second cut off.
std::string format_rfc3339_seconds(Instant instant);

/// Reads RFC 3339 in UTC ("Z"), with zero to nine digits of a second. Holds nothing for any other text.
std::optional<Instant> parse_rfc3339(std::string_view text);

} // namespace dbuild
