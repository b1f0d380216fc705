// SPDX-License-Identifier: Apache-2.0
// Which images of a bake file differ between a commit and the work tree, and in which steps; from git and the records
// alone.
#pragma once

#include "orchestrator/bake/bake_source.hpp"
#include "orchestrator/bake/revision.hpp"
#include "orchestrator/command_line/bake_command_line.hpp"
#include "orchestrator/parts.hpp"

#include <optional>
#include <string>
#include <vector>

namespace dbuild::orchestrator {

struct AffectedStep {
    std::string stage; // its name, or "stage-0"
    int position = 0;  // of the instruction in its stage, from 1
    int line = 0;      // in the Dockerfile, from 1
    std::string text;
    std::string changed;           // a path below the context; empty: it is another reason
    std::optional<double> wall_ms; // that a step of this text took in the image's last build
};

struct AffectedImage {
    std::string name;   // of the target
    std::string reason; // if it is not in the steps; else empty
    std::vector<AffectedStep> steps;
    double wall_ms = 0; // of those steps of which it is known
};

/// In:      parts — index, reporter, cancelled; no engine. line — with the files that the bake file is read from.
///          now — the definition in the work tree.
/// Out:     the selected targets whose images differ, in the order of their names.
/// Errors:  usage, invalid_dockerfile, unavailable. What is wrong in the commit makes an image a new one.
Result<std::vector<AffectedImage>> affected_images(const Parts& parts, const BakeCommandLine& line,
                                                   const BakeDefinition& now, const Revision& since);

} // namespace dbuild::orchestrator
