// SPDX-License-Identifier: Apache-2.0
// Tells the user what a build does while it goes on, on standard error; results on standard output are not its
// business.
#pragma once

#include "orchestrator/progress/event.hpp"

#include <memory>

namespace dbuild::orchestrator::progress {

class Reporter {
public:
    virtual ~Reporter() = default;
    /// Threads: safe from several threads; events of one step come in order.
    virtual void report(const Event& event) = 0;

    void note(std::string text) { report(Note{std::move(text)}); }
    void warning(std::string text) { report(Warning{std::move(text)}); }
};

std::unique_ptr<Reporter> make_plain_reporter();
std::unique_ptr<Reporter> make_quiet_reporter(); // warnings and failures only

} // namespace dbuild::orchestrator::progress
