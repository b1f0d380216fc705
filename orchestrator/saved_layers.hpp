// SPDX-License-Identifier: Apache-2.0
// What is in an image's layers, found out while the engine saves the image: both take about as long.
#pragma once

#include "executors/executor.hpp"
#include "orchestrator/engine_client.hpp"

#include <filesystem>
#include <map>
#include <string>

namespace dbuild::orchestrator {

using LayerScans = std::map<Digest, cache::oci::LayerScan>; // by the digest of the blob

/// Has the engine save an image into a file.
/// In:     id — as EngineClient::save. runs_on_it — looks into the layers, because it is about to run steps on them;
///         null: nobody does.
/// Out:    of the layers that could be looked into; the others are to be read from the file.
/// Errors: as EngineClient::save; unavailable, no_space — the file.
Result<LayerScans> save_and_scan(EngineClient& engine, const std::string& id, const std::filesystem::path& archive,
                                 executors::Executor* runs_on_it);

} // namespace dbuild::orchestrator
