// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/command_table.hpp"

#include "orchestrator/command_line/build_flags.hpp"
#include "orchestrator/commands/affected_command.hpp"
#include "orchestrator/commands/bake_command.hpp"
#include "orchestrator/commands/build_command.hpp"
#include "orchestrator/commands/cache_command.hpp"
#include "orchestrator/commands/check_command.hpp"
#include "orchestrator/commands/copy_command.hpp"
#include "orchestrator/commands/load_command.hpp"
#include "orchestrator/commands/parse_command.hpp"
#include "orchestrator/commands/pull_command.hpp"
#include "orchestrator/commands/save_command.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace dbuild::orchestrator {
namespace {

constexpr Command k_commands[] = {
    {"build", "build an image and load it into the engine; the command where none is named",
     commands::run_build_command},
    {"plan", "say which steps such a build would run, and why; runs nothing", commands::run_plan_command},
    {"explain",
     "say which file, variable or image each such step is run for: explain [FLAGS] [--format text|json] PATH",
     commands::run_explain_command},
    {"bake", "build the images of a bake file or compose file, what they share once: bake [-f FILE] [TARGET...]",
     commands::run_bake_command},
    {"affected",
     "which images of a bake file differ from a commit, without building: affected --since REVISION [TARGET...]",
     commands::run_affected_command},
    {"cache", "look at the cache, and after it: du, ls, show, verify, prune, rebuild-index, export, import",
     commands::run_cache_command},
    {"save", "write images that were built into an archive, from the cache: save [-o FILE] IMAGE...",
     commands::run_save_command},
    {"load", "bring an archive, or the last image of a scope, into the engine: load [-i FILE | --scope SCOPE]",
     commands::run_load_command},
    {"run", "load the last image of a scope and run it: run --scope SCOPE [-- COMMAND...]", commands::run_run_command},
    {"pull", "bring base images from registries into the cache: pull IMAGE...", commands::run_pull_command},
    {"copy", "an image between registries, OCI folders and archives, only what is missing: copy SOURCE DESTINATION",
     commands::run_copy_command},
    {"check",
     "all errors of a Dockerfile, and lint warnings: check [-f FILE] [--format text|json|github] "
     "[--base-images] PATH",
     commands::run_check_command},
    {"parse", "a Dockerfile for other programs: parse [--format json|sexpr] FILE", commands::run_parse_command},
};

std::string help() {
    std::string text = "dbuild: docker build with a cache of every instruction's result\n\n"
                       "Usage: dbuild [COMMAND] [FLAGS] PATH | URL | -\n\nCommands:\n";
    for (const auto& command : k_commands) text += fmt::format("  {:<10} {}\n", command.word, command.summary);
    text += "\nFlags of build and plan:\n" + build_flags_help();
    text +=
        "\nEnvironment: DBUILD_CACHE_DIR (default $XDG_CACHE_HOME/dbuild), DBUILD_EXECUTOR, DBUILD_PROGRESS; DOCKER_HOST, "
        "DOCKER_CONTEXT, DOCKER_CONFIG, "
        "DOCKER_TLS_VERIFY,\nDOCKER_CERT_PATH, DOCKER_DEFAULT_PLATFORM, BUILDX_BUILDER and BUILDKIT_PROGRESS as docker "
        "takes them.\n";
    return text;
}

} // namespace

std::span<const Command> command_table() { return k_commands; }

Result<int> run_command_line(std::span<const std::string> words, const std::atomic<bool>& cancelled) {
    if (!words.empty() && (words.front() == "--help" || words.front() == "-h" || words.front() == "help")) {
        fmt::print("{}", help());
        return 0;
    }
    if (!words.empty() && words.front() == "--version") {
        fmt::print("dbuild {}\n", DBUILD_VERSION);
        return 0;
    }
    for (const auto& command : k_commands)
        if (!words.empty() && words.front() == command.word) return command.run(words.subspan(1), cancelled);
    return k_commands[0].run(words, cancelled);
}

} // namespace dbuild::orchestrator
