// SPDX-License-Identifier: Apache-2.0
// What a build tells its user while it goes on: results on standard output, progress on standard error.
#pragma once

#include <chrono>
#include <memory>
#include <string_view>

namespace dbuild::orchestrator {

class Reporter {
public:
    virtual ~Reporter() = default;
    virtual void step(std::string_view label, std::string_view text, std::string_view state) = 0; // "[build 2] RUN make", "hit"
    virtual void output(std::string_view label, std::string_view bytes) = 0;                      // of a running step, any cut
    virtual void note(std::string_view line) = 0;
    virtual void warning(std::string_view line) = 0;
};

std::unique_ptr<Reporter> make_plain_reporter();
std::unique_ptr<Reporter> make_quiet_reporter(); // warnings only

} // namespace dbuild::orchestrator
