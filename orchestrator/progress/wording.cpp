// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/progress/wording.hpp"

#include "orchestrator/progress/console.hpp"
#include "orchestrator/progress/output_lines.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace dbuild::orchestrator::progress {
namespace {

constexpr std::size_t k_title_columns = 160; // a heredoc is not repeated in every line about it

/// Harmless line by line: an excerpt has several.
std::string harmless_lines(std::string_view text) {
    std::string result;
    OutputLines lines;
    const auto append = [&result](std::string_view line) { result.append(line).append("\n"); };
    lines.feed(text, append);
    lines.finish(append);
    return result;
}

} // namespace

std::string title(const StepLabel& step) {
    return fit(fmt::format("{} {}", harmless(step.to_string()), harmless(step.text)), k_title_columns);
}

std::string cause(const StepFailed& failed) {
    return failed.exit_code != 0 ? fmt::format("exit code: {}", failed.exit_code) : harmless(failed.message);
}

std::string summary(const BuildFinished& finished) {
    const auto counts = fmt::format("{} hit, {} run, {:.2f} s", finished.hit, finished.ran, finished.wall.count());
    if (finished.images.empty()) return counts;
    std::vector<std::string> lines;
    for (const auto& image : finished.images)
        lines.push_back(fmt::format("{}, {}, {:.1f} MB{}{}", counts, image.id, static_cast<double>(image.bytes) / 1e6,
                                    image.tags.empty() ? "" : ", ", fmt::join(image.tags, " ")));
    return fmt::format("{}", fmt::join(lines, "\n"));
}

std::string handed_over(const BuildHandedOver& event) {
    return "dbuild: handing the whole build to " + event.program + ": " + harmless(event.reason);
}

std::string failure(const BuildFailed& failed, const std::optional<FailedStep>& step) {
    constexpr std::string_view rule = "------\n";
    const auto& error = failed.error;
    std::string text;
    if (step && !step->output.empty()) {
        text += fmt::format("{} > {}:\n", rule, title(step->event.step));
        for (const auto& line : step->output) text.append(line).append("\n");
        text += rule;
    }
    for (const auto& lines : error.context) text += harmless_lines(lines);
    if (step && !step->event.reproduction.empty())
        text += "To try it again:\n  " + harmless_lines(step->event.reproduction);
    const auto place = error.where ? fmt::format("{}:{}: ", error.where->file, error.where->first_line) : std::string();
    return text + harmless_lines(fmt::format("{}error: {}", place, error.message));
}

} // namespace dbuild::orchestrator::progress
