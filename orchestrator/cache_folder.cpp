// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/cache_folder.hpp"

#include "support/environment.hpp"

namespace dbuild::orchestrator {

std::filesystem::path cache_folder() {
    if (const auto folder = environment("DBUILD_CACHE_DIR"); !folder.empty()) return folder;
    if (const auto folder = environment("XDG_CACHE_HOME"); !folder.empty())
        return std::filesystem::path(folder) / "dbuild";
    return std::filesystem::path(environment("HOME")) / ".cache" / "dbuild";
}

} // namespace dbuild::orchestrator
