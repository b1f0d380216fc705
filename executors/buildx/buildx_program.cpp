// SPDX-License-Identifier: Apache-2.0
#include "executors/buildx/buildx_program.hpp"

#include <unistd.h>

namespace fs = std::filesystem;

namespace dbuild::executors::buildx {

std::vector<std::string> buildx_program(const std::vector<fs::path>& folders) {
    auto all = folders;
    for (const auto* folder : {"/usr/local/lib", "/usr/local/libexec", "/usr/lib", "/usr/libexec"})
        all.push_back(fs::path(folder) / "docker" / "cli-plugins");
    for (const auto& folder : all) {
        const auto plugin = folder / "docker-buildx";
        std::error_code error;
        if (!fs::is_regular_file(plugin, error)) continue;
        if (::access(plugin.c_str(), X_OK) != 0) break; // docker's affair
        return {plugin.string(), "buildx"};
    }
    return {"docker", "buildx"};
}

} // namespace dbuild::executors::buildx
