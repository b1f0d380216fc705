// SPDX-License-Identifier: Apache-2.0
// Entry point: the command, its errors, the exit status. The last catch of all is here.
#include "orchestrator/command_table.hpp"
#include "orchestrator/exit_code.hpp"

#include <fmt/format.h>

#include <csignal>
#include <exception>
#include <vector>

namespace {

std::atomic<bool> cancelled = false; // the one global: a signal handler can reach nothing else

extern "C" void note_signal(int) { cancelled = true; }

void print_error(const dbuild::Error& error) {
    if (error.kind == dbuild::ErrorKind::usage) {
        fmt::print(stderr, "dbuild: {}\nSee dbuild --help.\n", error.message);
        return;
    }
    const auto place = error.where ? fmt::format("{}:{}: ", error.where->file, error.where->first_line) : std::string();
    fmt::print(stderr, "{}error: {}\n", place, error.message);
    for (const auto& line : error.context) fmt::print(stderr, "{}\n", line);
}

int run(const std::vector<std::string>& words) {
    using namespace dbuild::orchestrator;
    const auto status = run_command_line(words, cancelled);
    if (status) return *status;
    print_error(status.error());
    return exit_code_for(status.error().kind);
}

} // namespace

int main(int count, char** words) {
    struct sigaction action {};
    action.sa_handler = note_signal;
    action.sa_flags = static_cast<int>(SA_RESETHAND); // the first signal asks for an orderly end, the second one ends
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
    for (const int signal : {SIGHUP, SIGQUIT}) { // of a terminal that goes away; not under nohup
        struct sigaction before {};
        sigaction(signal, nullptr, &before);
        if (before.sa_handler != SIG_IGN) sigaction(signal, &action, nullptr);
    }
    std::signal(SIGPIPE, SIG_IGN);
    try {
        return run({words + 1, words + count});
    } catch (const std::exception& error) {
        fmt::print(stderr, "dbuild: internal error, please report: {}\n", error.what());
    }
    return dbuild::orchestrator::k_exit_internal_error;
}
