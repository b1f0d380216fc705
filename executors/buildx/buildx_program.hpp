// SPDX-License-Identifier: Apache-2.0
// Which program is called as buildx.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace dbuild::executors::buildx {

/// The words before "build". The plugin itself where docker finds it: docker would start the same program, after as
/// much work of its own as that needs for a small segment (50 ms of CPU). Else "docker buildx".
/// In: folders — where docker looks for its plugins before it looks in the system's folders.
/// Source of the order: getPluginDirs of docker/cli, cli-plugins/manager.
std::vector<std::string> buildx_program(const std::vector<std::filesystem::path>& folders);

} // namespace dbuild::executors::buildx
