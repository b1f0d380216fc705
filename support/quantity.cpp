// SPDX-License-Identifier: Apache-2.0
#include "support/quantity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <map>

namespace dbuild {

Result<std::uint64_t> parse_byte_count(std::string_view text) {
    static const std::map<std::string, double, std::less<>> k_units{
        {"", 1},        {"b", 1},        {"k", 1e3},     {"kb", 1e3},     {"m", 1e6},     {"mb", 1e6},
        {"g", 1e9},     {"gb", 1e9},     {"t", 1e12},    {"tb", 1e12},    {"ki", 0x1p10}, {"kib", 0x1p10},
        {"mi", 0x1p20}, {"mib", 0x1p20}, {"gi", 0x1p30}, {"gib", 0x1p30}, {"ti", 0x1p40}, {"tib", 0x1p40}};
    const auto digits = std::min(text.find_first_not_of("0123456789."), text.size());
    std::string unit(text.substr(digits));
    unit.erase(0, unit.find_first_not_of(' '));
    for (auto& c : unit) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const std::string number(text.substr(0, digits));
    char* end = nullptr;
    const double value = std::strtod(number.c_str(), &end);
    const auto factor = k_units.find(unit);
    const bool is_good = !number.empty() && *end == '\0' && factor != k_units.end() && value * factor->second < 0x1p62;
    if (!is_good) return fail(ErrorKind::usage, fmt::format("not a size: \"{}\" (20GB, 500MiB, ...)", text));
    return static_cast<std::uint64_t>(std::llround(value * factor->second));
}

Result<std::uint64_t> parse_age_seconds(std::string_view text) {
    static const std::map<std::string, std::uint64_t, std::less<>> k_units{{"", 1},     {"s", 1},     {"m", 60},
                                                                           {"h", 3600}, {"d", 86400}, {"w", 604800}};
    const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
    const auto factor = k_units.find(text.substr(digits));
    if (digits == 0 || digits > 9 || factor == k_units.end())
        return fail(ErrorKind::usage, fmt::format("not an age: \"{}\" (30d, 12h, ...)", text));
    return std::stoull(std::string(text.substr(0, digits))) * factor->second;
}

} // namespace dbuild
