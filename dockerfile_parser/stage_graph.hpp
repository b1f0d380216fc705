// SPDX-License-Identifier: Apache-2.0
// Which stage needs which: expands the FROM lines with the global arguments and resolves FROM, COPY --from and
// RUN --mount=from, also to named contexts. What a context holds and the look-up of images are left to the
// orchestrator.
#pragma once

#include "dockerfile_parser/instructions.hpp"
#include "support/result.hpp"

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace dbuild::dockerfile_parser {

struct StageReference {
    enum class Kind { stage, image, scratch, context };
    Kind kind = Kind::image;
    int stage_index = -1; // for stage
    std::string image;    // for image: the reference as written, after expansion; for context: its name as given

    static StageReference to_stage(int index) { return {Kind::stage, index, {}}; }
    friend bool operator==(const StageReference&, const StageReference&) = default;
};

struct StageNode {
    int index = 0;
    std::string name;     // may be empty
    std::string platform; // --platform, expanded and normalized; may be empty
    StageReference base;  // a stage that a named context of its name replaces has that context, and no sources
    std::vector<StageReference> sources; // what COPY --from and RUN --mount=from name, in order, perhaps repeated

    std::vector<int> read_stages() const; // its base and sources that are stages, perhaps repeated
};

struct StageGraph {
    std::vector<StageNode> stages; // all, file order
    int target = 0;
    std::vector<int> needed; // the target and all it needs, dependencies first
};

struct StageGraphRequest {
    std::string_view target;                       // stage name in any case; "" for the last stage
    std::map<std::string, std::string> build_args; // as given, declared or not
    std::string_view platform;                     // the target's, as "linux/amd64"
    std::string_view build_platform;               // of the machine that builds; "" for the same one
    std::set<std::string> contexts;                // names given to --build-context, as given: "NAME", "NAME::PLATFORM"
    bool judges_all_stages = false;                // not only the needed ones, as a check does
};

/// COPY --from is a stage's number or its name in any case (the last one of that name), else a context or an image; a
/// number after those of the stages is the context or image of an earlier COPY --from or mount. RUN --mount=from is no
/// number. Errors:  invalid_dockerfile with `where` of the stage or instruction: blank base name, wrong platform,
/// circular
///          dependency, bad index, in a needed stage (or any) a reference to a later one; without `where`: unknown
///          target.
Result<StageGraph> build_stage_graph(const Dockerfile& dockerfile, const StageGraphRequest& request);

/// The same, without contexts and for the platform of this machine.
Result<StageGraph> build_stage_graph(const Dockerfile& dockerfile, std::string_view target,
                                     const std::map<std::string, std::string>& build_args, std::string_view platform);

/// The `from` values of a RUN's --mount flags that have one, in order.
/// Errors:  invalid_dockerfile without `where` for malformed CSV.
Result<std::vector<std::string>> mount_sources(const RunInstruction& run);

/// Automatic platform arguments and the user's global ARGs that have a value; a build argument overrides both.
/// Stages see them only after re-declaring them.
/// In:      platform, build_platform — as in StageGraphRequest.
Result<std::map<std::string, std::string>> global_arguments(const Dockerfile& dockerfile, std::string_view target,
                                                            const std::map<std::string, std::string>& build_args,
                                                            std::string_view platform,
                                                            std::string_view build_platform = {});

} // namespace dbuild::dockerfile_parser
