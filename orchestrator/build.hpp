// SPDX-License-Identifier: Apache-2.0
// One build: plan, run what is missing segment by segment, record it, assemble the image and bring it to the engine.
#pragma once

#include "orchestrator/base_images.hpp"
#include "orchestrator/report.hpp"
#include "support/result.hpp"

#include <functional>
#include <string>

namespace dbuild::orchestrator {

/// Builds and loads the image; fills `report` as far as it gets, also on failure (exit code and error are the
/// caller's). Out:    the image as something to build on. Errors: unsupported — docker buildx has to build it, nothing
/// was done; step_failed with `where`; all others as they are.
Result<BaseImage> build(const Parts& parts, const BuildOptions& options, Report& report);

/// Takes one line of the plan, without its end.
using PlanPrinter = std::function<void(const std::string& line)>;

/// Plans, and gives each step of a needed stage to `print` and into `report`. Runs nothing.
Status show_plan(const Parts& parts, const BuildOptions& options, const PlanPrinter& print, Report& report);

} // namespace dbuild::orchestrator
