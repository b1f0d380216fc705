// SPDX-License-Identifier: Apache-2.0
// A resolved bake file: groups of targets, and each target as the command line that builds it. Resolved means that no
// variable, inheritance or matrix is left in it; that is the form in which `docker buildx bake --print` writes every
// kind of definition, and in which many JSON files are from the start. Source: docker/buildx bake/bake.go, 0.13 to
// 0.31.
#pragma once

#include "support/result.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dbuild::orchestrator {

struct BakeTarget {
    std::string name;
    std::vector<std::string> words;             // of `dbuild build`, the context last
    std::optional<std::string> dockerfile_text; // dockerfile-inline
    std::map<std::string, std::string> reads;   // names of contexts → targets whose results they are
    std::string unplanned;                      // an attribute that only docker buildx knows; else empty
    bool has_tags = false, has_outputs = false;
};

class BakeFile {
public:
    /// In: text — JSON. Errors: usage — it is none, or no bake file; unsupported — it is not resolved.
    static Result<BakeFile> parse(std::string_view text);

    /// What these names mean, groups resolved, in the order of the names of targets; no name: "default".
    /// Errors: usage — a name that is neither a target nor a group.
    Result<std::vector<std::string>> select(const std::vector<std::string>& names) const;
    /// These and all that they read, each once, what is read first.
    /// Errors: usage — they read from each other in a circle, or from a target that is not there.
    Result<std::vector<std::string>> with_read_targets(const std::vector<std::string>& targets) const;

    const BakeTarget& target(const std::string& name) const { return targets_.at(name); }

    /// The file, less all other targets, as `docker buildx bake --print` writes it. In: selected — the group "default".
    std::string to_json(const std::vector<std::string>& selected, const std::vector<std::string>& targets) const;

private:
    std::map<std::string, std::vector<std::string>> groups_;
    std::map<std::string, BakeTarget> targets_;
    std::map<std::string, std::string> sources_; // JSON of each target
};

} // namespace dbuild::orchestrator
