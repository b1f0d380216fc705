// SPDX-License-Identifier: Apache-2.0
// How a user tries a failed step again by hand: a shell command made of what is really there, the Dockerfile up to that
// step and the engine that the image would have gone to.
#pragma once

#include "orchestrator/plan.hpp"

#include <string>

namespace dbuild::orchestrator {

/// Out:     a RUN that a container can repeat: `docker run … $(head … | dbuild build -q …)` on an image of what was
/// built before it,
///          with the same directory, user, environment and command. Any other step: a build that ends with it.
///          Empty where there is none: the Dockerfile is not a file, or it has a .dockerignore of its own.
///          Values of build arguments whose names look like secrets are left to the environment.
std::string reproduction(const Project& project, const ResolvedStep& step);

} // namespace dbuild::orchestrator
