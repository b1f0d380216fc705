// SPDX-License-Identifier: Apache-2.0
// Which sources of COPY, ADD and bind mounts differ, from the names of changed files alone. What it says to be
// unchanged is; where links or --exclude make it hard to say, a source counts as changed.
#pragma once

#include "support/result.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dbuild::orchestrator {

class ContextChanges {
public:
    /// In:     root — of the build context; changed — absolute paths; ignore_text — of the .dockerignore in force,
    /// ignore_name for
    ///         messages. Errors: invalid_dockerfile — the latter is malformed.
    static Result<ContextChanges> of(const std::filesystem::path& root, const std::vector<std::string>& changed,
                                     const std::string& ignore_text, const std::string& ignore_name);

    /// A changed path that the source selects, or that leads to what it selects; below the root. Nothing: it is
    /// unchanged. In: source — expanded; may hold Go's wildcards.
    std::optional<std::string> find(std::string_view source) const;
    /// Any changed path of the context.
    std::optional<std::string> any() const;

private:
    std::optional<std::string> find_literal(std::string path) const;
    std::optional<std::string> find_pattern(const std::string& pattern) const;

    std::filesystem::path root_;
    std::vector<std::string> changed_; // below the root, without what is ignored
};

} // namespace dbuild::orchestrator
