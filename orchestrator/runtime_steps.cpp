// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/runtime_steps.hpp"

#include "support/platform.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace dbuild::orchestrator {
namespace {

namespace parser = dockerfile_parser;
using executors::CommandMount;

std::optional<std::string> needs_buildx(const MountOperation& mount) {
    switch (mount.mount.type) {
    case parser::MountType::tmpfs: return std::nullopt;
    case parser::MountType::cache:
        if (!mount.from) return std::nullopt;
        return "--mount=type=cache,from=…";
    case parser::MountType::bind:
        if (!mount.mount.is_read_only) return "--mount=type=bind,rw";
        return std::nullopt;
    case parser::MountType::secret:
    case parser::MountType::ssh: break;
    }
    return fmt::format("--mount=type={}", parser::to_string(mount.mount.type));
}

CommandMount::Sharing sharing_of(const std::string& text) {
    if (text == "locked") return CommandMount::Sharing::exclusive;
    return text == "private" ? CommandMount::Sharing::own_copy : CommandMount::Sharing::shared;
}

CommandMount command_mount(const MountOperation& operation) {
    const auto& written = operation.mount;
    CommandMount mount;
    mount.target = operation.target;
    mount.is_read_only = written.is_read_only;
    mount.source_path = written.source;
    mount.cache_id = operation.cache_id;
    mount.sharing = sharing_of(written.sharing);
    mount.mode = written.mode.value_or(mount.mode);
    mount.uid = written.uid.value_or(0);
    mount.gid = written.gid.value_or(0);
    mount.size_bytes = written.size_bytes;
    if (written.type == parser::MountType::cache) mount.type = CommandMount::Type::cache;
    if (written.type == parser::MountType::tmpfs) mount.type = CommandMount::Type::tmpfs;
    return mount;
}

/// The files get attributes there that they do not have in the context, and what .dockerignore names is left out.
Status bind_context(const Project& project, std::string name, CommandMount& mount) {
    DBUILD_TRY_ASSIGN(auto files, InProcessStep::prepare_mount(project, mount.source_path, "/mounted"));
    mount.source_name = std::move(name);
    mount.source_path = "/mounted";
    mount.send_source = [files = std::make_shared<InProcessStep>(std::move(files))](const auto& sink) {
        return files->send(sink);
    };
    return {};
}

/// Programs read one spelling or the other.
void add_proxies(const std::vector<std::pair<std::string, std::string>>& proxies,
                 std::vector<std::string>& environment) {
    for (const auto& [name, value] : proxies) {
        std::string upper = name, lower = name;
        std::transform(name.begin(), name.end(), upper.begin(), [](unsigned char c) { return std::toupper(c); });
        std::transform(name.begin(), name.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
        for (const auto& spelling : {upper, lower}) {
            const auto is_known = [&](const auto& entry) { return entry.starts_with(spelling + "="); };
            if (std::none_of(environment.begin(), environment.end(), is_known))
                environment.push_back(spelling + "=" + value);
        }
    }
}

} // namespace

std::optional<std::string> needs_buildx(const ResolvedStep& step, const std::string& platform) {
    if (platform != native_platform()) return "platform " + platform;
    for (const auto& mount : std::get<RunOperation>(step.operation).mounts)
        if (auto need = needs_buildx(mount)) return need;
    return std::nullopt;
}

Result<executors::RunCommand> run_command(const Project& project, const ResolvedStep& step,
                                          const std::function<std::string(const parser::StageReference&)>& source_name,
                                          const std::vector<std::pair<std::string, std::string>>& proxies) {
    const auto& run = std::get<RunOperation>(step.operation);
    executors::RunCommand command;
    command.arguments = run.arguments;
    command.script = run.script;
    for (const auto& variable : step.before.variables())
        command.environment.push_back(variable.name + "=" + variable.value);
    add_proxies(proxies, command.environment);
    command.working_dir = step.before.working_dir.empty() ? "/" : step.before.working_dir;
    command.user = step.before.user;
    command.has_network = run.network != "none";
    for (const auto& mount : run.mounts) {
        auto& made = command.mounts.emplace_back(command_mount(mount));
        if (mount.from)
            made.source_name = source_name(*mount.from);
        else if (mount.mount.type == parser::MountType::bind)
            DBUILD_TRY(bind_context(project, fmt::format("context-{}", command.mounts.size()), made));
    }
    return command;
}

} // namespace dbuild::orchestrator
