// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/hand_over.hpp"

#include "dockerfile_parser/flags.hpp"
#include "support/environment.hpp"
#include "support/process.hpp"

namespace dbuild::orchestrator {

bool wants_legacy_builder() {
    const auto value = environment("DOCKER_BUILDKIT");
    return !value.empty() && dockerfile_parser::parse_boolean(value) != true;
}

std::string build_program() { return wants_legacy_builder() ? "docker build" : "docker buildx build"; }

Result<int> hand_over(const BuildOptions& options, const std::atomic<bool>& cancelled) {
    ProcessOptions process;
    process.arguments = {"docker"};
    if (!wants_legacy_builder()) process.arguments.push_back("buildx");
    process.arguments.push_back("build");
    process.arguments.insert(process.arguments.end(), options.docker_arguments.begin(), options.docker_arguments.end());
    DBUILD_TRY_ASSIGN(const auto result,
                      run_inherited(process, options.dockerfile_text, [&] { return cancelled.load(); }));
    return result.exit_status;
}

} // namespace dbuild::orchestrator
