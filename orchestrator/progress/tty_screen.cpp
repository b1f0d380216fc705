// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/progress/tty_screen.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace dbuild::orchestrator::progress {
namespace {

constexpr std::size_t k_output_lines = 6; // of one step, as buildx shows

std::string seconds(Seconds wall) { return fmt::format("{:.1f}s", wall.count()); }

void ignore_line(std::string_view) {}

} // namespace

void TtyScreen::take(const Event& event, Time now) {
    std::visit([&](const auto& e) { show(e, now); }, event);
}

void TtyScreen::show(const StepHit& e, Time) {
    remove(e.step); // of a round that was given up
    hits_.push_back(e.step);
    ++hit_;
}

void TtyScreen::show_hits() {
    for (const auto& step : hits_) staying_.push_back({" => " + title(step), "hit", Style::done});
    hits_.clear();
}

void TtyScreen::show(const StepStarted& e, Time now) {
    show_hits();
    remove(e.step);
    if (!first_start_) first_start_ = now;
    running_.push_back({e.step, e.reason.empty() ? "" : " (" + harmless(e.reason) + ")", now});
}

void TtyScreen::show(const StepOutput& e, Time) { logs_.add(e, ignore_line); }

void TtyScreen::show(const StepFinished& e, Time) {
    show_hits();
    logs_.close(e.step, ignore_line);
    const auto running = remove(e.step);
    const auto why = e.is_cached_by_engine ? " (cached by the engine)" : running ? running->reason : "";
    staying_.push_back({" => " + title(e.step) + why, seconds(e.wall), Style::done});
    ++done_;
}

void TtyScreen::show(const StepFailed& e, Time now) {
    show_hits();
    failed_.insert_or_assign(e.step.image, FailedStep{e, logs_.close(e.step, ignore_line)});
    const auto running = remove(e.step);
    staying_.push_back({" => ERROR " + title(e.step) + ": " + cause(e),
                        running ? seconds(now - running->since) : "0.0s", Style::failed});
}

void TtyScreen::show(const Note& e, Time) { staying_.push_back({harmless(e.text), {}, Style::none}); }
void TtyScreen::show(const Warning& e, Time) {
    staying_.push_back({"warning: " + harmless(e.text), {}, Style::warning});
}

void TtyScreen::show(const BuildFinished& e, Time) {
    has_ended_ = true;
    if (e.ran > 0) show_hits();
    staying_.push_back({summary(e), {}, Style::none});
}

void TtyScreen::show_failure(const Error& error, const std::string& image) {
    auto text = failure(error, failed_, image);
    text.pop_back();
    staying_.push_back({std::move(text), {}, Style::none});
}

void TtyScreen::show(const ImageFailed& e, Time) { show_failure(e.error, e.image); }

void TtyScreen::show(const BuildFailed& e, Time) {
    has_ended_ = true;
    show_failure(e.error, {});
}

void TtyScreen::show(const BuildHandedOver& e, Time) {
    has_ended_ = true;
    staying_.push_back({handed_over(e), {}, Style::none});
}

void TtyScreen::show(const ImagesFinished& e, Time) {
    has_ended_ = true;
    staying_.push_back({table(e), {}, Style::none});
}

std::optional<TtyScreen::Running> TtyScreen::remove(const StepLabel& step) {
    const auto found = std::find_if(running_.begin(), running_.end(), [&](const Running& running) {
        return !(running.step < step) && !(step < running.step);
    });
    if (found == running_.end()) return std::nullopt;
    auto running = std::move(*found);
    running_.erase(found);
    return running;
}

/// A heading, then each running step with as many of its last output lines as there is room for.
std::vector<TtyScreen::Line> TtyScreen::region(std::size_t height, Time now) const {
    if (!has_region()) return {};
    std::vector<Line> lines = {{fmt::format("[+] {} hit, {} done, {} running", hit_, done_, running_.size()),
                                seconds(now - *first_start_),
                                {}}};
    const auto room = height - 1;
    const auto shown = running_.size() <= room ? running_.size() : room - std::min<std::size_t>(room, 1);
    const auto output = shown == running_.size() && shown > 0 ? std::min(k_output_lines, (room - shown) / shown) : 0;
    for (std::size_t i = 0; i < shown; ++i) {
        const auto& running = running_[i];
        lines.push_back({" => " + title(running.step) + running.reason, seconds(now - running.since), Style::none});
        for (const auto& line : logs_.tail(running.step, output)) lines.push_back({"    | " + line, {}, Style::output});
    }
    if (shown < running_.size() && room > 0)
        lines.push_back({fmt::format(" => and {} more", running_.size() - shown), {}, Style::none});
    return lines;
}

std::string TtyScreen::frame(ConsoleSize size, Time now) {
    const auto columns = std::max<std::size_t>(size.columns, 2) - 1; // a full line would leave the cursor in doubt
    const auto lines = region(size.rows > 2 ? size.rows - 2 : 1, now);
    if (staying_.empty() && lines.empty() && region_cells_.empty()) return {};
    const bool redraws = !region_cells_.empty();
    std::size_t rows = 0; // a narrower terminal has wrapped what the last frame wrote
    for (const auto width : region_cells_)
        rows += width <= size.columns ? 1 : (width + size.columns - 1) / size.columns;
    std::string bytes = redraws ? fmt::format("\r\x1b[{}A", rows) : "";
    const std::string_view end = redraws ? "\x1b[K\n" : "\n";
    const auto write = [&](const Line& line, bool is_cut) {
        if (!is_cut && line.right.empty()) {
            if (redraws) bytes += "\x1b[J"; // it may have several lines
            append(line, 0, bytes);
        } else {
            append(line, columns, bytes);
        }
        bytes += end;
    };
    for (const auto& line : staying_) write(line, false);
    staying_.clear();
    region_cells_.clear();
    for (const auto& line : lines) {
        write(line, true);
        region_cells_.push_back(line.right.empty() ? std::min(cells(line.left), columns) : columns);
    }
    if (redraws) bytes += "\x1b[J";
    return bytes;
}

/// In: columns — how wide the line may be, its right part at the edge; 0: as wide as it is.
void TtyScreen::append(const Line& line, std::size_t columns, std::string& bytes) const {
    std::string text = line.left;
    if (columns > 0) {
        const auto right = line.right.size() + 1 < columns ? line.right : std::string(); // ASCII
        const auto width = right.empty() ? columns : columns - right.size() - 1;
        text = fit(line.left, width);
        if (!right.empty()) text += std::string(width - cells(text) + 1, ' ') + right;
    }
    std::string_view colour;
    switch (line.style) {
    case Style::none: break;
    case Style::done: colour = "\x1b[36m"; break;    // cyan
    case Style::failed: colour = "\x1b[31m"; break;  // red
    case Style::warning: colour = "\x1b[33m"; break; // yellow
    case Style::output: colour = "\x1b[2m"; break;   // faint
    }
    if (has_colours_ && !colour.empty())
        bytes.append(colour).append(text).append("\x1b[0m");
    else
        bytes += text;
}

} // namespace dbuild::orchestrator::progress
