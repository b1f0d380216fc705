// SPDX-License-Identifier: Apache-2.0
// Runs a segment as a generated Dockerfile through `docker buildx build`, and takes its layers by position from
// what was built. Design §5, "buildx", says what of BuildKit this rests on. How layers travel: layer_exchange.hpp.
#pragma once

#include "executors/buildx/image_exchange.hpp"
#include "executors/executor.hpp"

#include <memory>

namespace dbuild::executors::buildx {

/// In: engine — used where the engine's classic image store makes images the only way for layers. plugin_folders — as
/// buildx_program() of buildx_program.hpp takes them.
std::unique_ptr<Executor> make_buildx_executor(EngineImages engine, std::vector<std::filesystem::path> plugin_folders);

} // namespace dbuild::executors::buildx
