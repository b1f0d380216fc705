// SPDX-License-Identifier: Apache-2.0
// What a terminal shows of a build: lines that stay and scroll away, and below them a region of what runs, which is
// drawn again with every frame. Knows no clock, no thread and no file; those are the tty reporter's.
//
// A frame changes no mode of the terminal (the cursor stays visible, below the region, and colours end with their
// line), so there is nothing to restore: dbuild may end, be stopped or be killed between any two frames.
#pragma once

#include "orchestrator/progress/console.hpp"
#include "orchestrator/progress/event.hpp"
#include "orchestrator/progress/step_logs.hpp"
#include "orchestrator/progress/wording.hpp"

#include <optional>
#include <string>
#include <vector>

namespace dbuild::orchestrator::progress {

class TtyScreen {
public:
    using Time = std::chrono::system_clock::time_point;

    explicit TtyScreen(bool has_colours) : has_colours_(has_colours) {}

    void take(const Event& event, Time now);
    /// The bytes that bring the terminal from the last frame to this one; empty if nothing is to be shown. No line of
    /// the region is wider than the terminal, and the region is lower than it.
    std::string frame(ConsoleSize size, Time now);
    /// From the first step that runs to the end of the build there is a region, and it changes with time.
    bool has_region() const { return first_start_ && !has_ended_; }

private:
    enum class Style { none, done, failed, warning, output };
    struct Line {
        std::string left, right; // without a right part, a line that stays is never cut
        Style style = Style::none;
    };
    struct Running {
        StepLabel step;
        std::string reason;
        Time since;
    };

    void show(const StepHit& event, Time now);
    void show(const StepStarted& event, Time now);
    void show(const StepOutput& event, Time now);
    void show(const StepFinished& event, Time now);
    void show(const StepFailed& event, Time now);
    void show(const Note& event, Time now);
    void show(const Warning& event, Time now);
    void show(const BuildFinished& event, Time now);
    void show(const ImageFailed& event, Time now);
    void show(const BuildFailed& event, Time now);
    void show(const BuildHandedOver& event, Time now);
    void show(const ImagesFinished& event, Time now);
    void show_failure(const Error& error, const std::string& image);
    void show_hits();
    std::optional<Running> remove(const StepLabel& step);
    std::vector<Line> region(std::size_t height, Time now) const;
    void append(const Line& line, std::size_t columns, std::string& bytes) const;

    bool has_colours_;
    StepLogs logs_{Colours::dropped};
    std::vector<StepLabel> hits_;  // not told yet: where nothing runs, the closing line says it all
    std::vector<Running> running_; // in the order of their starts
    std::size_t hit_ = 0, done_ = 0;
    std::optional<Time> first_start_;
    bool has_ended_ = false;
    FailedSteps failed_;
    std::vector<Line> staying_;             // to be written above the region by the next frame
    std::vector<std::size_t> region_cells_; // widths of the lines that the last frame left below
};

} // namespace dbuild::orchestrator::progress
