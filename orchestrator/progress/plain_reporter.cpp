// SPDX-License-Identifier: Apache-2.0
// Progress as lines for a log: each says which step it is about, so that stages side by side can be told apart.
#include "orchestrator/progress/reporter.hpp"
#include "orchestrator/progress/step_logs.hpp"
#include "orchestrator/progress/wording.hpp"

#include <fmt/format.h>

#include <mutex>

namespace dbuild::orchestrator::progress {
namespace {

class PlainReporter final : public Reporter {
public:
    explicit PlainReporter(Console console)
        : console_(std::move(console)), logs_(console_.has_colours ? Colours::kept : Colours::dropped) {}

    void report(const Event& event) override {
        const std::lock_guard lock(mutex_);
        std::visit([this](const auto& e) { show(e); }, event);
        if (!text_.empty()) console_.write(text_);
        text_.clear();
    }

private:
    void line(std::string_view text) { text_.append(text).append("\n"); }
    auto output_of(const StepLabel& step) {
        return [this, prefix = step.to_string() + " | "](std::string_view output) {
            text_.append(prefix).append(output).append("\n");
        };
    }

    /// Hits are told once something runs: where nothing does, the closing line says it all.
    void show(const StepHit& e) { hits_.push_back(e.step); }
    void show_hits() {
        for (const auto& step : hits_) line(title(step) + ": hit");
        hits_.clear();
    }
    void show(const StepStarted& e) {
        show_hits();
        line(fmt::format("{}: running{}", title(e.step), e.reason.empty() ? "" : " (" + harmless(e.reason) + ")"));
    }
    void show(const StepOutput& e) { logs_.add(e, output_of(e.step)); }
    void show(const StepFinished& e) {
        show_hits();
        logs_.close(e.step, output_of(e.step));
        line(fmt::format("{} done in {:.1f} s{}", e.step.to_string(), e.wall.count(),
                         e.is_cached_by_engine ? " (cached by the engine)" : ""));
    }
    void show(const StepFailed& e) {
        show_hits();
        failed_.insert_or_assign(e.step.image, FailedStep{e, logs_.close(e.step, output_of(e.step))});
        line(fmt::format("{} failed: {}", e.step.to_string(), cause(e)));
    }
    void show(const Note& e) { line(harmless(e.text)); }
    void show(const Warning& e) { line("warning: " + harmless(e.text)); }
    void show(const BuildFinished& e) {
        if (e.ran > 0) show_hits();
        line(summary(e));
    }
    void show(const ImageFailed& e) { text_ += failure(e.error, failed_, e.image); }
    void show(const BuildFailed& e) { text_ += failure(e.error, failed_, {}); }
    void show(const BuildHandedOver& e) { line(handed_over(e)); }
    void show(const ImagesFinished& e) { line(table(e)); }

    std::mutex mutex_; // guards all that follows
    Console console_;
    StepLogs logs_;
    std::vector<StepLabel> hits_;
    FailedSteps failed_;
    std::string text_; // of one event, written at once
};

} // namespace

std::unique_ptr<Reporter> make_plain_reporter(Console console) {
    return std::make_unique<PlainReporter>(std::move(console));
}

} // namespace dbuild::orchestrator::progress
