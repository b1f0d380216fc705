// SPDX-License-Identifier: Apache-2.0
// The sentences that plain, tty and quiet progress have in common. All of them are harmless to a terminal.
#pragma once

#include "orchestrator/progress/event.hpp"

#include <map>
#include <string>
#include <vector>

namespace dbuild::orchestrator::progress {

/// "[build 2/5] RUN make", on one line, the instruction cut where it gets long.
std::string title(const StepLabel& step);

/// "exit code: 2", or the executor's message.
std::string cause(const StepFailed& failed);

/// "5 hit, 3 run, 3.41 s, sha256:…, 12.3 MB, demo:1"; one line per image, and one without if there is none. Without the
/// last line end.
std::string summary(const BuildFinished& finished);

std::string handed_over(const BuildHandedOver& event);

/// What is told again when the build has failed.
struct FailedStep {
    StepFailed event;
    std::vector<std::string> output; // the last lines
};
using FailedSteps = std::map<std::string, FailedStep>; // by image; the last one of each

/// The failed step's output, the error with its excerpt, and how to try the step again; whole lines.
/// In: image — of several; empty: there is only one.
std::string failure(const Error& error, const FailedSteps& steps, const std::string& image);

/// A line for each image under a heading, and one for all; without the last line end.
std::string table(const ImagesFinished& finished);

} // namespace dbuild::orchestrator::progress
