// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/commands/cache_verbs.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

#include <algorithm>
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

std::string bar_text(std::string_view what, std::uint64_t percent) {
    constexpr std::size_t k_width = 20;
    const auto filled = static_cast<std::size_t>(percent) * k_width / 100;
    return fmt::format("{} [{:<{}}] {}%", what, std::string(filled, '#'), k_width, percent);
}

ProgressBar::ProgressBar(std::string_view what) : what_(what), is_shown_(::isatty(STDERR_FILENO) != 0) {}

ProgressBar::~ProgressBar() {
    if (is_shown_) fmt::print(stderr, "\r\033[K");
}

WorkProgress ProgressBar::callback() {
    return [this, is_first = true](std::uint64_t done, std::uint64_t all) mutable {
        const auto percent = all == 0 ? 0 : std::min<std::uint64_t>(done * 100 / all, 100);
        if (!is_shown_ || (percent == percent_ && !is_first)) return;
        is_first = false;
        percent_ = percent;
        fmt::print(stderr, "\r\033[K{}", bar_text(what_, percent));
    };
}

} // namespace dbuild::orchestrator::commands
