// SPDX-License-Identifier: Apache-2.0
// What dbuild takes from docker's own configuration: config.json and the folders beside it.
#pragma once

#include "support/result.hpp"

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace dbuild::orchestrator {

struct DockerConfig {
    std::filesystem::path folder;
    std::string current_context;                       // of `docker context use`; may be empty
    std::string builder_alias;                         // of `docker buildx install`; may be empty
    std::map<std::string, std::string> http_headers;   // HttpHeaders: of requests to engines, not to registries
    std::vector<std::filesystem::path> plugin_folders; // but for the system's; in docker's order
    /// By engine ("default" for all others): HTTP_PROXY and the like, as build arguments.
    std::map<std::string, std::map<std::string, std::string>> proxies;

    /// Build arguments that docker adds for an engine, in both cases of their names.
    const std::map<std::string, std::string>& proxy_arguments(const std::string& host) const;
    /// The builder of `docker buildx use`, which counts only where `docker buildx install` made it docker's; "" if
    /// none.
    std::string installed_builder() const;
};

/// $DOCKER_CONFIG, else ~/.docker.
std::filesystem::path docker_config_folder();

/// Reads config.json of that folder; no file is the same as an empty one.
/// Errors: unsupported — it cannot be read or is no JSON: docker only warns of that, so docker has to go on.
Result<DockerConfig> read_docker_config();

} // namespace dbuild::orchestrator
