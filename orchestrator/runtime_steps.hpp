// SPDX-License-Identifier: Apache-2.0
// RUN steps for the runtime executor: which ones it can run, and what the others need that it has not. The rest goes to
// docker buildx. How a container is made is executors/runtime/'s business.
#pragma once

#include "executors/executor.hpp"
#include "orchestrator/in_process_steps.hpp"
#include "orchestrator/plan.hpp"

#include <optional>
#include <string>

namespace dbuild::orchestrator {

/// Why docker buildx has to run a RUN step: "--mount=type=secret", …; nothing where the runtime can.
/// In: platform — what the step's stage is for.
std::optional<std::string> needs_buildx(const ResolvedStep& step, const std::string& platform);

/// In:      step — a RUN for which needs_buildx() has nothing; source_name — the name of a segment's source that a
/// mount
///          comes from; proxies — as Segment::proxy_arguments.
/// Errors:  as InProcessStep::prepare_mount.
Result<executors::RunCommand>
run_command(const Project& project, const ResolvedStep& step,
            const std::function<std::string(const dockerfile_parser::StageReference&)>& source_name,
            const std::vector<std::pair<std::string, std::string>>& proxies);

} // namespace dbuild::orchestrator
