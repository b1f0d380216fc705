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

std::string failure(const Error& error, const FailedSteps& steps, const std::string& image) {
    constexpr std::string_view rule = "------\n";
    std::string text;
    const auto step = steps.find(image);
    const bool has_step = step != steps.end();
    if (has_step && !step->second.output.empty()) {
        text += fmt::format("{} > {}:\n", rule, title(step->second.event.step));
        for (const auto& line : step->second.output) text.append(line).append("\n");
        text += rule;
    }
    for (const auto& lines : error.context) text += harmless_lines(lines);
    if (has_step && !step->second.event.reproduction.empty())
        text += "To try it again:\n  " + harmless_lines(step->second.event.reproduction);
    const auto place = error.where ? fmt::format("{}:{}: ", error.where->file, error.where->first_line) : std::string();
    return text +
           harmless_lines(fmt::format("{}{}{}error: {}", image, image.empty() ? "" : ": ", place, error.message));
}

std::string table(const ImagesFinished& finished) {
    std::size_t width = 5, hit = 0, ran = 0;
    std::map<std::string_view, std::size_t> outcomes;
    for (const auto& image : finished.images) {
        width = std::max(width, cells(harmless(image.name)));
        hit += image.hit;
        ran += image.ran;
        ++outcomes[image.outcome];
    }
    auto text = fmt::format("{:<{}}  {:<11}  {:>5}  {:>5}  {:>9}  {:>10}\n", "image", width, "outcome", "hit", "run",
                            "time", "size");
    for (const auto& image : finished.images) {
        const auto name = harmless(image.name);
        const auto size = image.bytes == 0 ? "" : fmt::format("{:.1f} MB", static_cast<double>(image.bytes) / 1e6);
        auto line = fmt::format("{}{}  {:<11}  {:>5}  {:>5}  {:>7.2f} s  {:>10}  {}", name,
                                std::string(width - cells(name), ' '), image.outcome, image.hit, image.ran,
                                image.wall.count(), size, fmt::join(image.tags, " "));
        text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
    }
    std::vector<std::string> counts;
    for (const auto& [outcome, count] : outcomes) counts.push_back(fmt::format("{} {}", count, outcome));
    return text + fmt::format("{}: {} hit, {} run, {:.2f} s", fmt::join(counts, ", "), hit, ran, finished.wall.count());
}

} // namespace dbuild::orchestrator::progress
