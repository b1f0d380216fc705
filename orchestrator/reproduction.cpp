// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/reproduction.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

namespace dbuild::orchestrator {
namespace {

constexpr std::size_t k_longest_command = 2000; // bytes; a longer script is easier to edit in the Dockerfile

/// One word of a POSIX shell; with control characters, of bash and zsh ($'…'), so that it can be printed without harm.
std::string shell_word(std::string_view text) {
    constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%";
    const auto is_control = [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\n') || c == '\x7f'; };
    if (!text.empty() && text.find_first_not_of(plain) == text.npos) return std::string(text);
    const bool has_controls = std::any_of(text.begin(), text.end(), is_control);
    std::string word = has_controls ? "$'" : "'";
    for (const char c : text) {
        if (has_controls && is_control(c))
            word += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        else if (c == '\'')
            word += has_controls ? "\\'" : "'\\''";
        else if (c == '\\' && has_controls)
            word += "\\\\";
        else
            word += c;
    }
    return word + "'";
}

/// The words that BuildKit's lint "SecretsUsedInArgOrEnv" looks for among the parts of a variable's name.
bool looks_secret(std::string_view name) {
    static constexpr std::array<std::string_view, 10> words = {
        "apikey", "auth", "credential", "credentials", "key", "passwd", "password", "pword", "secret", "token"};
    std::string part;
    for (std::size_t i = 0; i <= name.size(); ++i) {
        if (i < name.size() && name[i] != '_' && name[i] != '-') {
            part += name[i] >= 'A' && name[i] <= 'Z' ? static_cast<char>(name[i] - 'A' + 'a') : name[i];
            continue;
        }
        if (std::find(words.begin(), words.end(), part) != words.end()) return true;
        part.clear();
    }
    return false;
}

/// dbuild with a Dockerfile that ends at `last_line`, and what of the user's options decides what it builds.
std::string build_up_to(const BuildOptions& options, int last_line, std::string_view flags) {
    std::string command =
        fmt::format("head -n {} {} | dbuild build{}", last_line, shell_word(options.dockerfile.string()), flags);
    for (const auto& [name, value] : options.build_arguments)
        command += " --build-arg " + shell_word(looks_secret(name) ? name : name + "=" + value);
    for (const auto& secret : options.secrets) command += " --secret " + shell_word(secret);
    for (const auto& agent : options.ssh_agents) command += " --ssh " + shell_word(agent);
    return command + " -f - " + shell_word(options.context.string());
}

/// Whether `docker run` can do what the RUN did: mounts, and scripts that are a file of their own, are BuildKit's.
bool can_run_in_container(const RunOperation& run) {
    std::size_t size = 0;
    for (const auto& word : run.arguments) size += word.size();
    return run.mounts.empty() && run.script.empty() && !run.arguments.empty() && size <= k_longest_command;
}

std::string run_in_container(const BuildOptions& options, const ResolvedStep& step, const RunOperation& run) {
    std::string command = "docker run --rm";
    if (!run.network.empty() && run.network != "default") command += " --network " + shell_word(run.network);
    for (const auto& variable : step.before.variables()) { // those of ENV are in the image
        if (!variable.is_argument) continue;
        const bool is_secret = looks_secret(variable.name) && options.build_arguments.contains(variable.name);
        command += " -e " + shell_word(is_secret ? variable.name : variable.name + "=" + variable.value);
    }
    command += fmt::format(" --entrypoint {} $({})", shell_word(run.arguments.front()),
                           build_up_to(options, step.instruction->where.first_line - 1, " -q"));
    for (std::size_t i = 1; i < run.arguments.size(); ++i) command += " " + shell_word(run.arguments[i]);
    return command;
}

} // namespace

std::string reproduction(const Project& project, const ResolvedStep& step) {
    const auto& options = project.options;
    const auto own_ignore_file = std::filesystem::path(options.dockerfile.string() + ".dockerignore");
    std::error_code ignored;
    if (step.instruction->is_trigger || !std::filesystem::is_regular_file(options.dockerfile, ignored) ||
        std::filesystem::exists(own_ignore_file, ignored))
        return {};
    const auto* run = std::get_if<RunOperation>(&step.operation);
    if (run && can_run_in_container(*run)) return run_in_container(options, step, *run);
    return build_up_to(options, step.instruction->where.last_line, "");
}

} // namespace dbuild::orchestrator
