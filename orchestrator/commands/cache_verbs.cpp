// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/commands/cache_verbs.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

#include <array>
#include <unistd.h>

namespace dbuild::orchestrator::commands {

std::string size_text(std::uint64_t bytes) {
    static constexpr std::array<std::string_view, 5> k_units{"B", "kB", "MB", "GB", "TB"};
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    for (; value >= 1000 && unit + 1 < k_units.size(); ++unit) value /= 1000;
    return fmt::format("{:.{}f} {}", value, unit == 0 ? 0 : 1, k_units[unit]);
}

void print_json(const boost::json::value& value) { fmt::print("{}\n", boost::json::serialize(value)); }

ProgressLine::ProgressLine(std::string_view what) : what_(what), is_shown_(::isatty(STDERR_FILENO) != 0) {}

ProgressLine::~ProgressLine() {
    if (is_shown_) fmt::print(stderr, "\r\033[K");
}

std::function<void(std::size_t, std::size_t)> ProgressLine::callback() {
    return [this](std::size_t done, std::size_t all) {
        if (is_shown_) fmt::print(stderr, "\r\033[K{} {} of {}", what_, done, all);
    };
}

} // namespace dbuild::orchestrator::commands
