// SPDX-License-Identifier: Apache-2.0
// Which stage needs which: expands the FROM lines with the global arguments and resolves FROM, COPY --from and
// RUN --mount=from. Named contexts and the look-up of images are left to the orchestrator.
#pragma once

#include "dockerfile_parser/instructions.hpp"
#include "support/result.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace dbuild::dockerfile_parser {

struct StageReference {
    enum class Kind { stage, image, scratch };
    Kind kind = Kind::image;
    int stage_index = -1; // for stage
    std::string image;    // for image: the reference as written, after expansion

    static StageReference to_stage(int index) { return {Kind::stage, index, {}}; }
    friend bool operator==(const StageReference&, const StageReference&) = default;
};

struct StageNode {
    int index = 0;
    std::string name;     // may be empty
    std::string platform; // expanded --platform, may be empty
    StageReference base;
    std::vector<StageReference> sources; // what COPY --from and RUN --mount=from name, in order, perhaps repeated

    std::vector<int> read_stages() const; // its base and sources that are stages, perhaps repeated
};

struct StageGraph {
    std::vector<StageNode> stages; // all, file order
    int target = 0;
    std::vector<int> needed; // the target and all it needs, dependencies first
};

/// In:      target — stage name in any case, "" for the last stage; platform — the target's, as "linux/amd64".
/// Errors:  invalid_dockerfile with `where` of the stage or instruction: blank base name, reference to a later stage,
///          circular dependency, bad index; without `where`: unknown target.
Result<StageGraph> build_stage_graph(const Dockerfile& dockerfile, std::string_view target,
                                     const std::map<std::string, std::string>& build_args, std::string_view platform);

/// COPY --from: a number is a stage index, else a stage name in any case (the last one of that name), else an image.
/// Errors:  invalid_dockerfile without `where`: index out of range, a stage that is not before `current_stage`.
Result<StageReference> resolve_copy_from(const Dockerfile& dockerfile, int current_stage, std::string_view from);

/// RUN --mount=from: a stage name in any case, else an image; a number is an image name.
/// Errors:  as resolve_copy_from.
Result<StageReference> resolve_mount_from(const Dockerfile& dockerfile, int current_stage, std::string_view from);

/// The `from` values of a RUN's --mount flags that have one, in order.
/// Errors:  invalid_dockerfile without `where` for malformed CSV.
Result<std::vector<std::string>> mount_sources(const RunInstruction& run);

/// Automatic platform arguments and the user's global ARGs that have a value; a build argument overrides both.
/// Stages see them only after re-declaring them.
Result<std::map<std::string, std::string>> global_arguments(const Dockerfile& dockerfile, std::string_view target,
                                                            const std::map<std::string, std::string>& build_args,
                                                            std::string_view platform);

} // namespace dbuild::dockerfile_parser
