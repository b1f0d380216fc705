// SPDX-License-Identifier: Apache-2.0
// Runs a program: arguments as a list (never a shell), output to callbacks or inherited, ended when the user wants it.
#pragma once

#include "support/result.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dbuild {

struct ProcessOptions {
    std::vector<std::string> arguments;        // arguments[0] is looked up in PATH
    std::string input = {};                    // of run_process: standard input
    std::vector<std::string> environment = {}; // NAME=VALUE; besides what this process has, and instead of it
};
struct ProcessResult {
    int exit_status = 0; // 128 + signal if it was killed
};
using OutputSink = std::function<void(std::string_view)>;
using CancelCheck = std::function<bool()>; // asked ten times a second; true: the user, or something else, wants the end

/// Whether a program of that name would be found.
bool is_in_path(const std::string& program);

/// Runs the program to its end.
/// In:     on_stdout, on_stderr — called from this thread with whatever arrives, any cut.
///         is_cancelled — may be empty; once true, the program's process group gets SIGTERM, and SIGKILL after two
///         seconds; what it started and did not end is not waited for.
/// Errors: unavailable — it cannot be started; interrupted — it was cancelled.
Result<ProcessResult> run_process(const ProcessOptions& options, const OutputSink& on_stdout,
                                  const OutputSink& on_stderr, const CancelCheck& is_cancelled = nullptr);

/// Runs the program with this process's own standard streams and in its process group.
/// In:     input — standard input where it is not this process's own, which was perhaps read already.
///         is_cancelled — once true, the program gets SIGTERM (from a terminal it had the signal itself), and it is
///         waited for.
/// Errors: unavailable — it cannot be started.
Result<ProcessResult> run_inherited(const ProcessOptions& options, const std::optional<std::string>& input,
                                    const CancelCheck& is_cancelled);

/// Starts the program with one socket as its standard input and output; standard error is this process's own.
/// Out: its process ID, to be waited for. Errors: unavailable.
Result<int> start_on_socket(const ProcessOptions& options, int socket);

} // namespace dbuild
