// SPDX-License-Identifier: Apache-2.0
// Says only what went wrong; for that it keeps the last output of the steps that run.
#include "orchestrator/progress/reporter.hpp"
#include "orchestrator/progress/step_logs.hpp"
#include "orchestrator/progress/wording.hpp"

#include <mutex>

namespace dbuild::orchestrator::progress {
namespace {

enum class Warnings { shown, left_out };

class QuietReporter final : public Reporter {
public:
    QuietReporter(Console console, Warnings warnings) : console_(std::move(console)), warnings_(warnings) {}

    void report(const Event& event) override {
        const std::lock_guard lock(mutex_);
        std::visit([this](const auto& e) { note(e); }, event);
    }

private:
    static void ignore_line(std::string_view) {}
    void note(const StepOutput& e) { logs_.add(e, ignore_line); }
    void note(const StepFinished& e) { logs_.close(e.step, ignore_line); }
    void note(const StepFailed& e) {
        failed_.insert_or_assign(e.step.image, FailedStep{e, logs_.close(e.step, ignore_line)});
    }
    void note(const ImageFailed& e) { console_.write(failure(e.error, failed_, e.image)); }
    void note(const BuildFailed& e) { console_.write(failure(e.error, failed_, {})); }
    void note(const Warning& e) { warn("warning: " + harmless(e.text)); }
    void note(const BuildHandedOver& e) { warn(handed_over(e)); }
    void warn(const std::string& text) {
        if (warnings_ == Warnings::shown) console_.write(text + "\n");
    }
    template <class Other>
    void note(const Other&) {}

    std::mutex mutex_; // guards all that follows
    Console console_;
    Warnings warnings_;
    StepLogs logs_{Colours::dropped};
    FailedSteps failed_;
};

} // namespace

std::unique_ptr<Reporter> make_quiet_reporter(Console console) {
    return std::make_unique<QuietReporter>(std::move(console), Warnings::shown);
}
std::unique_ptr<Reporter> make_failure_reporter(Console console) {
    return std::make_unique<QuietReporter>(std::move(console), Warnings::left_out);
}

} // namespace dbuild::orchestrator::progress
