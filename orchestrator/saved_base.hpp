// SPDX-License-Identifier: Apache-2.0
// A base image that the engine saves: its layers go into the store, and are looked into, while the engine still sends
// them.
#pragma once

#include "cache/oci/image_copy.hpp"
#include "executors/executor.hpp"
#include "orchestrator/base_images.hpp"
#include "orchestrator/parts.hpp"

#include <map>
#include <memory>
#include <string>

namespace dbuild::orchestrator {

struct SavedBase {
    std::unique_ptr<cache::oci::ImageSource> texts; // manifests, indexes and configurations
    std::map<Digest, cache::oci::LayerScan> scans;  // by the digest of the blob, of those that were looked into
};

/// In:     base — its ID, and the configuration as the engine tells it. runs_on_it — looks into the layers, because it
///         is about to run steps on them; null: nobody does.
/// Out:    a layer that could not be looked into has no scan, nor has a compressed one that was in the store before.
/// Effects: layers may be missing in the store that the engine does not have.
/// Errors: as EngineClient::save; corrupt — the engine sent no image; interrupted; as LayerStore::put.
Result<SavedBase> save_into_store(const Parts& parts, const BaseImage& base, executors::Executor* runs_on_it);

} // namespace dbuild::orchestrator
