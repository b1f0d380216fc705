// SPDX-License-Identifier: Apache-2.0
// One image with all that belongs to its build besides the steps: engine, cache, remotes, the files that name the
// result. What `dbuild build` does once, `dbuild bake` does for each of its images.
#pragma once

#include "orchestrator/command_line/build_command_line.hpp"
#include "orchestrator/docker_config.hpp"
#include "orchestrator/engine_address.hpp"
#include "orchestrator/report.hpp"

#include <functional>

namespace dbuild::orchestrator {

/// Docker's configuration, and the engine that it names.
struct Machine {
    DockerConfig config;
    Result<EngineAddress> address;
};

/// Child processes are told of the engine. Errors: as read_docker_config.
Result<Machine> find_machine();

/// Whether the engine gets an image, and remotes what was made for it; or both are only asked.
enum class EngineUse { build, look };

struct ImageWork {
    EngineUse use = EngineUse::build;
    /// In: options — with what docker's configuration adds.
    std::function<Status(const Parts& parts, const BuildOptions& options)> run;
    progress::Reporter* reporter = nullptr;       // borrowed
    const std::atomic<bool>* cancelled = nullptr; // borrowed
};

/// Opens the cache and the remotes, does the work, publishes, keeps the cache within its size, and writes the files
/// that
/// --iidfile and --metadata-file name.
/// Out:    report — the work's, with what the engine and remotes were asked.
/// Errors: besides those of the work, unsupported — docker buildx has to build it, and the message says why.
Status build_image(const Machine& machine, const BuildCommandLine& line, const ImageWork& work, Report& report);

} // namespace dbuild::orchestrator
