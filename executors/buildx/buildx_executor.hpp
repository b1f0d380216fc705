// SPDX-License-Identifier: Apache-2.0
// Runs a segment as a generated Dockerfile through `docker buildx build`, and takes its layers by position from an
// incremental OCI export. Design §5, "buildx", says what of BuildKit this rests on.
#pragma once

#include "executors/executor.hpp"

#include <memory>

namespace dbuild::executors::buildx {

std::unique_ptr<Executor> make_buildx_executor();

} // namespace dbuild::executors::buildx
