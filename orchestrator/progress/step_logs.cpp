// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/progress/step_logs.hpp"

#include <algorithm>

namespace dbuild::orchestrator::progress {

void StepLogs::Log::keep(std::string_view line) {
    if (kept.size() < k_kept_lines)
        kept.emplace_back(line);
    else
        kept[next].assign(line); // no allocation for the hundredth megabyte
    next = (next + 1) % k_kept_lines;
}

std::vector<std::string> StepLogs::Log::last(std::size_t count) const {
    std::vector<std::string> result;
    const auto size = std::min(count, kept.size());
    for (std::size_t i = 0; i < size; ++i) result.push_back(kept[(next + kept.size() - size + i) % kept.size()]);
    return result;
}

void StepLogs::add(const StepOutput& output, const OutputLines::Sink& sink) {
    auto& log = logs_.try_emplace(output.step, Log{OutputLines(colours_), {}, 0}).first->second;
    log.lines.feed(output.bytes, [&](std::string_view line) {
        log.keep(line);
        sink(line);
    });
}

std::vector<std::string> StepLogs::close(const StepLabel& step, const OutputLines::Sink& sink) {
    const auto found = logs_.find(step);
    if (found == logs_.end()) return {};
    auto& log = found->second;
    log.lines.finish([&](std::string_view line) {
        log.keep(line);
        sink(line);
    });
    auto lines = log.last(k_kept_lines);
    logs_.erase(found);
    return lines;
}

std::vector<std::string> StepLogs::tail(const StepLabel& step, std::size_t count) const {
    const auto found = logs_.find(step);
    if (found == logs_.end() || count == 0) return {};
    const auto open = found->second.lines.open_line();
    auto lines = found->second.last(open.empty() ? count : count - 1);
    if (!open.empty()) lines.emplace_back(open);
    return lines;
}

} // namespace dbuild::orchestrator::progress
