// SPDX-License-Identifier: Apache-2.0
// The files that a pile of layers gives, by what the index knows of each of them; no layer is read for it.
#pragma once

#include "cache/store/index.hpp"
#include "executors/executor.hpp"
#include "executors/in_process/layer_files.hpp"

#include <span>

namespace dbuild::orchestrator {

/// Errors: unavailable — the index cannot be read; corrupt — it has no table of contents of a layer.
Result<executors::in_process::LayerFiles> open_root_files(cache::store::Index& index,
                                                          std::span<const executors::RootLayer> layers);

} // namespace dbuild::orchestrator
