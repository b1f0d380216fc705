// SPDX-License-Identifier: Apache-2.0
// Entry point: command line, command, exit status. The last catch of all is here.
#include "orchestrator/command_line.hpp"
#include "orchestrator/commands/build_command.hpp"
#include "orchestrator/exit_code.hpp"

#include <fmt/format.h>

#include <csignal>
#include <exception>

namespace {

std::atomic<bool> cancelled = false; // the one global: a signal handler can reach nothing else

extern "C" void note_signal(int) { cancelled = true; }

int run(int count, char** words) {
    using namespace dbuild::orchestrator;
    const auto parsed = parse_command_line({const_cast<const char* const*>(words) + 1, static_cast<std::size_t>(count) - 1});
    if (!parsed) {
        fmt::print(stderr, "dbuild: {}\nSee dbuild --help.\n", parsed.error().message);
        return exit_code_for(parsed.error().kind);
    }
    if (const auto* text = std::get_if<PrintedText>(&*parsed)) {
        fmt::print("{}", text->text);
        return 0;
    }
    return commands::run_build_command(std::get<Command>(*parsed), cancelled);
}

} // namespace

int main(int count, char** words) {
    struct sigaction action {};
    action.sa_handler = note_signal;
    action.sa_flags = static_cast<int>(SA_RESETHAND); // the first signal asks for an orderly end, the second one ends
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
    try {
        return run(count, words);
    } catch (const std::exception& error) {
        fmt::print(stderr, "dbuild: internal error, please report: {}\n", error.what());
    }
    return dbuild::orchestrator::k_exit_internal_error;
}
