// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/progress/reporter.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdio>
#include <map>
#include <mutex>

namespace dbuild::orchestrator::progress {
namespace {

/// What a step prints must not steer the terminal: control characters other than tab are shown, not sent.
std::string harmless(std::string_view line) {
    std::string text;
    for (const char c : line) {
        const auto byte = static_cast<unsigned char>(c);
        if ((byte < 0x20 && c != '\t') || byte == 0x7f) {
            if (c != '\r') text += fmt::format("\\x{:02x}", byte);
        } else {
            text += c;
        }
    }
    return text;
}

void print(std::string_view line) {
    std::fwrite(line.data(), 1, line.size(), stderr);
    std::fputc('\n', stderr);
}

void print_failure(const Error& error) {
    const auto place = error.where ? fmt::format("{}:{}: ", error.where->file, error.where->first_line) : std::string();
    print(fmt::format("{}error: {}", place, error.message));
    for (const auto& line : error.context) print(line);
}

class PlainReporter final : public Reporter {
public:
    void report(const Event& event) override {
        const std::lock_guard lock(mutex_);
        std::visit([this](const auto& e) { show(e); }, event);
    }

private:
    static void state(const StepLabel& step, std::string_view text) {
        print(fmt::format("{} {}: {}", step.to_string(), harmless(step.text), text));
    }
    void show(const StepHit& e) { state(e.step, "hit"); }
    void show(const StepStarted& e) { state(e.step, e.reason.empty() ? "running" : "running (" + e.reason + ")"); }
    void show(const StepOutput& e) {
        auto& line = open_lines_[e.step];
        for (const char c : e.bytes) {
            if (c != '\n') {
                line += c;
                continue;
            }
            print(fmt::format("{} | {}", e.step.to_string(), harmless(line)));
            line.clear();
        }
    }
    void show(const StepFinished& e) {
        end_line(e.step);
        state(e.step,
              e.is_cached_by_engine ? "done (cached by the engine)" : fmt::format("done in {:.1f} s", e.wall.count()));
    }
    void show(const StepFailed& e) {
        end_line(e.step);
        state(e.step, e.exit_code ? fmt::format("failed: exit code: {}", e.exit_code) : "failed: " + e.message);
    }
    void show(const Note& e) { print(e.text); }
    void show(const Warning& e) { print("warning: " + e.text); }
    void show(const BuildFinished& e) {
        for (const auto& image : e.images)
            print(fmt::format("{} hit, {} run, {:.2f} s, {}, {:.1f} MB{}{}", e.hit, e.ran, e.wall.count(), image.id,
                              static_cast<double>(image.bytes) / 1e6, image.tags.empty() ? "" : ", ",
                              fmt::join(image.tags, " ")));
    }
    void show(const BuildFailed& e) { print_failure(e.error); }
    void show(const BuildHandedOver& e) {
        print("dbuild: handing the whole build to " + e.program + ": " + e.reason);
    }

    void end_line(const StepLabel& step) {
        const auto open = open_lines_.find(step);
        if (open == open_lines_.end()) return;
        if (!open->second.empty()) print(fmt::format("{} | {}", step.to_string(), harmless(open->second)));
        open_lines_.erase(open);
    }

    std::mutex mutex_;
    std::map<StepLabel, std::string> open_lines_; // output that has no line end yet
};

class QuietReporter final : public Reporter {
public:
    void report(const Event& event) override {
        const std::lock_guard lock(mutex_);
        if (const auto* warning = std::get_if<Warning>(&event)) print("warning: " + warning->text);
        if (const auto* failed = std::get_if<BuildFailed>(&event)) print_failure(failed->error);
    }

private:
    std::mutex mutex_;
};

} // namespace

std::unique_ptr<Reporter> make_plain_reporter() { return std::make_unique<PlainReporter>(); }
std::unique_ptr<Reporter> make_quiet_reporter() { return std::make_unique<QuietReporter>(); }

} // namespace dbuild::orchestrator::progress
