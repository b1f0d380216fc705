// SPDX-License-Identifier: Apache-2.0
// The long-lived parts of a command that works on images: the cache, the engine, and what runs steps.
#pragma once

#include "cache/remote/remotes.hpp"
#include "orchestrator/parts.hpp"

#include <memory>

namespace dbuild::orchestrator {

struct OwnedParts {
    cache::store::Index index;
    cache::store::LayerStore layers;
    std::unique_ptr<EngineClient> engine;
    std::unique_ptr<executors::Executor> executor;
    std::unique_ptr<cache::remote::Remotes> remotes; // null: there are none; ends before the store
    std::unique_ptr<executors::Executor> runtime;    // null: not wanted, or not to be had

    /// In: both live as long as what is returned.
    Parts borrow(progress::Reporter& reporter, const std::atomic<bool>& cancelled);
};

/// Opens the cache; the engine is asked by the first request.
/// Errors: unsupported — the cache cannot be used at all. (Where it only cannot be written it opens all the same:
/// cache/store/database.hpp.)
Result<OwnedParts> open_parts(const DockerConfig& config, EngineAddress address);
/// With the engine that docker's configuration and environment name, which child processes are told of.
/// Errors: besides, those of read_docker_config and find_engine_address.
Result<OwnedParts> open_parts();

} // namespace dbuild::orchestrator
