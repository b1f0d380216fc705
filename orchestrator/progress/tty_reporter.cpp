// SPDX-License-Identifier: Apache-2.0
// Draws a TtyScreen on a terminal: at once when a step starts or ends, and ten times a second while something runs.
#include "orchestrator/progress/reporter.hpp"
#include "orchestrator/progress/tty_screen.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>

namespace dbuild::orchestrator::progress {
namespace {

constexpr auto k_frame_time = std::chrono::milliseconds(100);

class TtyReporter final : public Reporter {
public:
    explicit TtyReporter(Console console) : console_(std::move(console)), screen_(console_.has_colours) {}

    void report(const Event& event) override {
        const std::lock_guard lock(mutex_);
        screen_.take(event, console_.now());
        if (!std::holds_alternative<StepOutput>(event)) draw(); // output waits for the next frame, however much it is
        if (screen_.has_region() && !ticker_.joinable())
            ticker_ = std::jthread([this](const std::stop_token& stop) { tick(stop); });
    }

private:
    void draw() {
        const auto bytes = screen_.frame(console_.size(), console_.now());
        if (!bytes.empty()) console_.write(bytes);
    }
    void tick(const std::stop_token& stop) {
        std::unique_lock lock(mutex_);
        std::condition_variable_any never;
        while (!stop.stop_requested()) {
            never.wait_for(lock, stop, k_frame_time, [] { return false; });
            draw();
        }
    }

    std::mutex mutex_; // guards console_ and screen_
    Console console_;
    TtyScreen screen_;
    std::jthread ticker_; // the last member, so that it ends first
};

} // namespace

std::unique_ptr<Reporter> make_tty_reporter(Console console) {
    return std::make_unique<TtyReporter>(std::move(console));
}

} // namespace dbuild::orchestrator::progress
