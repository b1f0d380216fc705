// SPDX-License-Identifier: Apache-2.0
// From the files that a user names, or that lie in the folder, to a resolved bake file: JSON without templates is read
// as it is; HCL, compose files, overrides and everything else goes through `docker buildx bake --print`, which needs no
// builder.
#pragma once

#include "orchestrator/bake/bake_file.hpp"
#include "support/process.hpp"

namespace dbuild::orchestrator {

struct BakeSource {
    std::vector<std::string> files;     // --file; "-" is standard input; none: those that docker looks for
    std::vector<std::string> overrides; // words for docker buildx: --set, --var
    std::vector<std::string> names;     // of targets and groups; none: "default"
};

struct BakeDefinition {
    BakeFile file;
    std::vector<std::string> selected; // targets
    bool has_asked_buildx = false;
};

/// Where a definition comes from that is not read here, such as a repository; "" if there is none.
std::string remote_definition(const BakeSource& source);

/// Names of those files that docker looks for and that are there; in its order. In: folder — "" is the working folder.
std::vector<std::string> default_bake_files(const std::string& folder);

/// Errors: usage — there is no file, or something is wrong in it; unavailable — docker buildx cannot be started;
/// interrupted.
Result<BakeDefinition> read_bake_definition(const BakeSource& source, const CancelCheck& is_cancelled);

} // namespace dbuild::orchestrator
