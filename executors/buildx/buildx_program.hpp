// SPDX-License-Identifier: Apache-2.0
// Which program is called as buildx.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace dbuild::executors::buildx {

/// The words before "build". The plugin itself, as docker calls it, where docker finds it: docker would start the same
/// program, after as much work of its own as that needs for a small segment (50 ms of CPU). Else "docker buildx".
/// In: folders — where docker looks for its plugins before it looks in the system's folders.
/// Source of the order: getPluginDirs of docker/cli, cli-plugins/manager.
std::vector<std::string> buildx_program(const std::vector<std::filesystem::path>& folders);

/// By this variable a plugin knows that it is called as one; else it would not read DOCKER_TLS_VERIFY, for one.
inline constexpr const char* k_plugin_environment = "DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND=docker";

} // namespace dbuild::executors::buildx
