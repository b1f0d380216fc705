// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/progress/reporter.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <map>
#include <string>

namespace dbuild::orchestrator {
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

class PlainReporter final : public Reporter {
public:
    ~PlainReporter() override {
        for (auto& [label, line] : open_lines_)
            if (!line.empty()) print(fmt::format("{} | {}", label, harmless(line)));
    }
    void step(std::string_view label, std::string_view text, std::string_view state) override {
        print(fmt::format("{} {}: {}", label, harmless(text), state));
    }
    void output(std::string_view label, std::string_view bytes) override {
        auto& line = open_lines_[std::string(label)];
        for (const char c : bytes) {
            if (c != '\n') {
                line += c;
                continue;
            }
            print(fmt::format("{} | {}", label, harmless(line)));
            line.clear();
        }
    }
    void note(std::string_view line) override { print(line); }
    void warning(std::string_view line) override { print(fmt::format("warning: {}", line)); }

private:
    static void print(std::string_view line) {
        std::fwrite(line.data(), 1, line.size(), stderr);
        std::fputc('\n', stderr);
    }
    std::map<std::string, std::string> open_lines_; // by label: output that has no line end yet
};

class QuietReporter final : public Reporter {
public:
    void step(std::string_view, std::string_view, std::string_view) override {}
    void output(std::string_view, std::string_view) override {}
    void note(std::string_view) override {}
    void warning(std::string_view line) override { fmt::print(stderr, "warning: {}\n", line); }
};

} // namespace

std::unique_ptr<Reporter> make_plain_reporter() { return std::make_unique<PlainReporter>(); }
std::unique_ptr<Reporter> make_quiet_reporter() { return std::make_unique<QuietReporter>(); }

} // namespace dbuild::orchestrator
