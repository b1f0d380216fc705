// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/resolved_step.hpp"

#include "dockerfile_parser/values.hpp"

#include <algorithm>
#include <iterator>

namespace dbuild::orchestrator {

namespace parser = dockerfile_parser;

cache::oci::ImageConfig StepState::config_for(const cache::oci::ImageConfig& platform) const {
    cache::oci::ImageConfig config;
    config.os = platform.os;
    config.architecture = platform.architecture;
    config.variant = platform.variant;
    if (log) config.env = log->environment_at(point);
    config.user = user;
    config.working_dir = working_dir;
    config.shell = shell;
    return config;
}

std::vector<parser::StageReference> ResolvedStep::sources() const {
    std::vector<parser::StageReference> sources;
    if (const auto* copy = std::get_if<CopyOperation>(&operation); copy && copy->from) sources.push_back(*copy->from);
    if (const auto* run = std::get_if<RunOperation>(&operation))
        for (const auto& mount : run->mounts)
            if (mount.from) sources.push_back(*mount.from);
    return sources;
}

std::vector<std::string> ResolvedStep::context_sources() const {
    std::vector<std::string> paths;
    if (const auto* copy = std::get_if<CopyOperation>(&operation); copy && !copy->from)
        std::copy_if(copy->sources.begin(), copy->sources.end(), std::back_inserter(paths),
                     [&](const auto& source) { return !copy->is_add || !dockerfile_parser::is_remote_source(source); });
    if (const auto* run = std::get_if<RunOperation>(&operation))
        for (const auto& mount : run->mounts)
            if (!mount.from && mount.mount.type == parser::MountType::bind) paths.push_back(mount.mount.source);
    return paths;
}

} // namespace dbuild::orchestrator
