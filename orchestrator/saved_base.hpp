// SPDX-License-Identifier: Apache-2.0
// A base image that the engine saves: its layers go into the store, and are looked into, while the engine still sends
// them.
#pragma once

#include "cache/oci/image_copy.hpp"
#include "cache/store/layer_store.hpp"
#include "executors/executor.hpp"
#include "orchestrator/engine_client.hpp"

#include <map>
#include <memory>
#include <string>

namespace dbuild::orchestrator {

struct SavedBase {
    std::unique_ptr<cache::oci::ImageSource> texts; // manifests, indexes and configurations
    std::map<Digest, cache::oci::LayerScan> scans;  // by the digest of the blob, of those that were looked into
};

/// In:     id — as EngineClient::save. runs_on_it — looks into the layers, because it is about to run steps on them;
///         null: nobody does.
/// Out:    a layer that could not be looked into, or was in the store before, has no scan.
/// Errors: as EngineClient::save; corrupt — the engine sent no image; as LayerStore::put.
Result<SavedBase> save_into_store(EngineClient& engine, const std::string& id, const cache::store::LayerStore& layers,
                                  executors::Executor* runs_on_it);

} // namespace dbuild::orchestrator
