// SPDX-License-Identifier: Apache-2.0
// Which ignore file holds for a build.
#pragma once

#include "support/result.hpp"

#include <filesystem>
#include <string>

namespace dbuild::orchestrator {

struct IgnoreFile {
    std::string text; // "" where there is none, which is the same as an empty one
    std::string name; // for messages
};

/// <Dockerfile>.dockerignore beats the context's own. Errors: those of reading.
Result<IgnoreFile> read_ignore_file(const std::filesystem::path& dockerfile, const std::filesystem::path& context);

} // namespace dbuild::orchestrator
