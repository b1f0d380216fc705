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

std::string format_rfc3339_seconds(Instant instant) {
    auto text = format_rfc3339(instant);
    return text.erase(text.find('.')) + "Z";
}

std::optional<Instant> parse_rfc3339(std::string_view text) {
    const std::string copy(text);
    std::tm parts{};
    const char* rest = strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
    if (!rest) return std::nullopt;
    std::int64_t nanoseconds = 0;
    if (*rest == '.') {
        std::int64_t unit = 100'000'000;
        const char* const digits = ++rest;
        for (; *rest >= '0' && *rest <= '9' && unit > 0; ++rest, unit /= 10) nanoseconds += (*rest - '0') * unit;
        if (rest == digits) return std::nullopt;
    }
    if (std::string_view(rest) != "Z") return std::nullopt;
    const int day = parts.tm_mday;
    const auto seconds = timegm(&parts); // makes 2 March of 30 February
    if (parts.tm_mday != day) return std::nullopt;
    return Instant(std::chrono::seconds(seconds) + std::chrono::nanoseconds(nanoseconds));
}

} // namespace dbuild
