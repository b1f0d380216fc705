// SPDX-License-Identifier: Apache-2.0
// How this user reaches registries: docker's configuration and dbuild's variables. docs/registry.md is the contract.
#pragma once

#include "cache/oci/registry_session.hpp"

#include <atomic>

namespace dbuild::orchestrator {

/// In:     cancelled — borrowed. Reads config.json of docker, DBUILD_INSECURE_REGISTRIES,
///         DBUILD_REGISTRY_TIMEOUT, and DBUILD_REGISTRY_MIRRORS or else the mirrors in the engine's daemon.json.
/// Errors: corrupt — config.json cannot be understood; usage — one of the variables cannot.
Result<cache::oci::RegistrySettings> read_registry_settings(const std::atomic<bool>& cancelled);

} // namespace dbuild::orchestrator
