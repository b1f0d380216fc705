// SPDX-License-Identifier: Apache-2.0
// Walks the build context while the engine is asked about base images: a plan needs both, and neither needs the other.
#pragma once

#include "cache/context/context_tree.hpp"
#include "dockerfile_parser/stage_graph.hpp"

#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace dbuild::orchestrator {

/// What the needed stages copy from the context by names that stand in the Dockerfile as they are, without variables,
/// quotes or escapes: those that the plan is sure to ask for. In the order of the Dockerfile.
std::vector<std::string> literal_sources(const dockerfile_parser::Dockerfile& dockerfile,
                                         const dockerfile_parser::StageGraph& graph);

/// Looks at the sources in a thread of its own, which the result joins. What is wrong with one is said to who asks for
/// it. Does nothing for a context that no earlier run has seen: then files have to be read, which a build that fails
/// before it should not wait for.
std::jthread look_ahead(std::shared_ptr<cache::context::ContextTree> context, std::vector<std::string> sources);

} // namespace dbuild::orchestrator
