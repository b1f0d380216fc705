// SPDX-License-Identifier: Apache-2.0
// The output of the steps that run, as harmless lines, with the last of them kept: for the screen, and for the story of
// a failure.
#pragma once

#include "orchestrator/progress/event.hpp"
#include "orchestrator/progress/output_lines.hpp"

#include <map>
#include <string>
#include <vector>

namespace dbuild::orchestrator::progress {

class StepLogs {
public:
    static constexpr std::size_t k_kept_lines = 20; // a compiler's message and what led to it

    explicit StepLogs(Colours colours) : colours_(colours) {}

    /// `sink` gets every line that the bytes end.
    void add(const StepOutput& output, const OutputLines::Sink& sink);
    /// The step is over: `sink` gets a last line without an end, and the log is forgotten. Out: its last lines.
    std::vector<std::string> close(const StepLabel& step, const OutputLines::Sink& sink);
    /// Up to `count` last lines, the one that has no end yet included.
    std::vector<std::string> tail(const StepLabel& step, std::size_t count) const;

private:
    struct Log {
        OutputLines lines;
        std::vector<std::string> kept; // a ring, once it is full
        std::size_t next = 0;

        void keep(std::string_view line);
        std::vector<std::string> last(std::size_t count) const;
    };

    Colours colours_;
    std::map<StepLabel, Log> logs_;
};

} // namespace dbuild::orchestrator::progress
