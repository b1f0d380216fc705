// SPDX-License-Identifier: Apache-2.0
// Something that changed, so that a step has no result. Found by explain.hpp; docs/explain.md lists the kinds.
#pragma once

#include <string>
#include <vector>

namespace dbuild::orchestrator {

struct Cause {
    std::string kind;          // "file content", "build argument", "base image", "earlier step", ...
    std::string name;          // of the file, the variable, the image; may be empty
    std::string before, after; // where they say more than the kind

    std::string to_string() const; // "file content: src/a.c", "build argument: V 1 -> 2"
};

/// The causes in one line, at most `limit` of them and the number of the others.
std::string in_one_line(const std::vector<Cause>& causes, std::size_t limit);

} // namespace dbuild::orchestrator
