// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/command_line.hpp"

#include <CLI/CLI.hpp>

#include <cstdlib>

namespace dbuild::orchestrator {
namespace {

/// "K=V", or "K" for the value of that environment variable. Nothing: K alone, and not set there.
std::optional<std::pair<std::string, std::string>> split_build_argument(const std::string& text) {
    const auto equals = text.find('=');
    if (equals != text.npos) return std::pair(text.substr(0, equals), text.substr(equals + 1));
    if (const char* value = std::getenv(text.c_str())) return std::pair(text, std::string(value));
    return std::nullopt;
}

struct RawOptions {
    std::vector<std::string> build_arguments, labels;
    std::string progress = "plain", executor = "auto";
};

void declare_options(CLI::App& app, BuildOptions& options, RawOptions& raw) {
    app.add_option("PATH", options.context, "Build context: a folder")->required();
    app.add_option("-f,--file", options.dockerfile, "Dockerfile (default: PATH/Dockerfile; \"-\": standard input)");
    app.add_option("-t,--tag", options.tags, "Name of the image, NAME[:TAG]; repeatable")->allow_extra_args(false);
    app.add_option("--build-arg", raw.build_arguments, "Build argument, NAME=VALUE, or NAME for the environment's; repeatable")
        ->allow_extra_args(false);
    app.add_option("--target", options.target, "Stage to build (default: the last)");
    app.add_option("--label", raw.labels, "Label of the image, NAME=VALUE; repeatable")->allow_extra_args(false);
    app.add_flag("--no-cache", options.ignores_cache, "Run every step again");
    app.add_option("--progress", raw.progress, "plain or quiet")->check(CLI::IsMember({"plain", "quiet"}));
    app.add_option("--iidfile", options.image_id_file, "Write the image ID to this file");
    app.add_flag("-q,--quiet", options.is_quiet, "Print the image ID only");
    app.add_option("--scope", options.scope, "Cache scope (default: the image's name, else the folder's)");
    app.add_option("--executor", raw.executor, "Who runs missing steps: auto or buildx (runtime: not in this version)")
        ->check(CLI::IsMember({"auto", "buildx", "runtime"}));
    app.add_option("--report", options.report, "Write a JSON report to this file, also when the build fails");
}

Result<Command> make_command(CommandName name, BuildOptions options, const RawOptions& raw) {
    Command command{name, std::move(options), ProgressKind::plain, ExecutorKind::automatic};
    if (raw.executor == "runtime")
        return fail(ErrorKind::usage, "--executor: runtime is not in this version of dbuild; use auto or buildx");
    if (raw.executor == "buildx") command.executor = ExecutorKind::buildx;
    if (raw.progress == "quiet" || command.options.is_quiet) command.progress = ProgressKind::quiet;
    for (const auto& text : raw.build_arguments)
        if (auto pair = split_build_argument(text)) command.options.build_arguments.insert_or_assign(pair->first, pair->second);
    for (const auto& text : raw.labels) {
        const auto equals = text.find('=');
        command.options.labels[text.substr(0, equals)] = equals == text.npos ? "" : text.substr(equals + 1);
    }
    std::error_code error;
    if (!std::filesystem::is_directory(command.options.context, error))
        return fail(ErrorKind::usage, "PATH: \"" + command.options.context.string() + "\" is not a folder");
    return command;
}

} // namespace

Result<std::variant<Command, PrintedText>> parse_command_line(std::span<const char* const> arguments) {
    std::vector<std::string> words(arguments.begin(), arguments.end());
    CommandName name = CommandName::build;
    if (!words.empty() && (words.front() == "build" || words.front() == "plan")) {
        if (words.front() == "plan") name = CommandName::plan;
        words.erase(words.begin());
    }
    CLI::App app("dbuild: docker build with a cache of every instruction's result", "dbuild [build|plan]");
    app.footer("Commands: build (also without a command word) builds and loads the image; plan takes the same options, says "
               "which steps would run, and runs nothing.\nEnvironment: DBUILD_CACHE_DIR (default $XDG_CACHE_HOME/dbuild), "
               "DOCKER_HOST (a unix socket).");
    app.set_version_flag("--version", "dbuild " DBUILD_VERSION);
    BuildOptions options;
    options.original_arguments = words;
    RawOptions raw;
    declare_options(app, options, raw);
    std::vector<std::string> reversed(words.rbegin(), words.rend()); // as CLI11 takes them
    try {
        app.parse(reversed);
    } catch (const CLI::CallForHelp&) {
        return PrintedText{app.help()};
    } catch (const CLI::CallForVersion& version) {
        return PrintedText{std::string(version.what()) + "\n"};
    } catch (const CLI::ParseError& error) {
        return fail(ErrorKind::usage, error.what());
    }
    DBUILD_TRY_ASSIGN(auto command, make_command(name, std::move(options), raw));
    return command;
}

} // namespace dbuild::orchestrator
