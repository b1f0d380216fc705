// SPDX-License-Identifier: Apache-2.0
#include "support/time.hpp"

#include <cstdio>
#include <ctime>

namespace dbuild {

std::string format_rfc3339(Instant instant) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(instant);
    const std::time_t count = seconds.time_since_epoch().count();
    std::tm parts{};
    gmtime_r(&count, &parts);
    char text[64];
    const auto size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    std::snprintf(text + size, sizeof text - size, ".%09lldZ", static_cast<long long>((instant - seconds).count()));
    return text;
}

std::optional<Instant> parse_rfc3339(std::string_view text) {
    const std::string copy(text);
    std::tm parts{};
    const char* rest = strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
    if (!rest) return std::nullopt;
    std::int64_t nanoseconds = 0;
    if (*rest == '.') {
        std::int64_t unit = 100'000'000;
        for (++rest; *rest >= '0' && *rest <= '9'; ++rest, unit /= 10) nanoseconds += (*rest - '0') * unit;
    }
    if (std::string_view(rest) != "Z") return std::nullopt;
    return Instant(std::chrono::seconds(timegm(&parts)) + std::chrono::nanoseconds(nanoseconds));
}

} // namespace dbuild
