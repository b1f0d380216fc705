// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/git_ssh.hpp"

#include "orchestrator/command_line/fields.hpp"
#include "support/environment.hpp"

#include <algorithm>
#include <filesystem>

namespace fs = std::filesystem;

namespace dbuild::orchestrator {
namespace {

// The first file of known hosts gets the new ones, which nobody asked to remember.
constexpr std::string_view k_command = "ssh -F /dev/null -o BatchMode=yes -o ConnectTimeout=30 "
                                       "-o StrictHostKeyChecking=accept-new "
                                       "-o UserKnownHostsFile='/dev/null ~/.ssh/known_hosts'";

/// For the shell by which git runs the command, in single quotes.
std::string quoted(const std::string& text) {
    std::string out = "'";
    for (const char c : text) out += c == '\'' ? "'\\''" : std::string(1, c);
    return out + "'";
}

} // namespace

Result<std::vector<std::string>> ssh_environment(const std::vector<std::string>& agents) {
    const auto is_default = [](const std::string& agent) { return agent.substr(0, agent.find('=')) == "default"; };
    const auto agent = std::find_if(agents.begin(), agents.end(), is_default);
    if (agent == agents.end())
        return fail(ErrorKind::unsupported, "ADD of a git repository over ssh without --ssh default");
    const auto equals = agent->find('=');
    auto paths = split_list(equals == agent->npos ? std::string() : agent->substr(equals + 1));
    if (paths.empty()) paths.push_back(environment("SSH_AUTH_SOCK"));
    std::error_code error;
    if (paths.size() == 1 && fs::is_socket(paths.front(), error))
        return std::vector<std::string>{"SSH_AUTH_SOCK=" + paths.front(),
                                        "GIT_SSH_COMMAND=" + std::string(k_command) + " -o IdentityFile=none"};
    auto command = std::string(k_command) + " -o IdentityAgent=none -o IdentitiesOnly=yes";
    for (const auto& path : paths) {
        if (!fs::is_regular_file(path, error)) return fail(ErrorKind::unsupported, "--ssh " + *agent);
        command += " -i " + quoted(fs::absolute(path, error).string());
    }
    return std::vector<std::string>{"GIT_SSH_COMMAND=" + command};
}

} // namespace dbuild::orchestrator
