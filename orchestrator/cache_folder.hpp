// SPDX-License-Identifier: Apache-2.0
// Where the cache is on this machine.
#pragma once

#include <filesystem>

namespace dbuild::orchestrator {

/// DBUILD_CACHE_DIR, else $XDG_CACHE_HOME/dbuild, else ~/.cache/dbuild.
std::filesystem::path cache_folder();

} // namespace dbuild::orchestrator
