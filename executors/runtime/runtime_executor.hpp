// SPDX-License-Identifier: Apache-2.0
// RUN without a daemon: each command in a container of crun or runc, on layers unpacked in the cache and joined by
// overlayfs, with a network by pasta (design §5, "Runtime"). Needs to be root.
#pragma once

#include "executors/executor.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>

namespace dbuild::executors::runtime {

/// Of a cache folder: where all of it is.
inline constexpr const char* k_runtime_folder = "runtime";

/// In:      folder — where unpacked layers, cache mounts and running containers are; one for all processes that share a
///          cache.
/// Out:     an executor of segments whose layer-making steps all have a command; nothing is made before the first one.
///          Its run() fails with unsupported where a layer cannot be unpacked on its own, an image cannot be run on or
///          a container not be started; another executor may do it.
/// Errors:  unsupported — not root, no crun or runc, no pasta, another architecture than x86-64.
Result<std::unique_ptr<Executor>> make_runtime_executor(const std::filesystem::path& folder);

/// Deletes unpacked layers, least recently used first, until they take so many bytes; none while any process uses them.
/// Errors: unavailable.
Status shrink_unpacked_layers(const std::filesystem::path& folder, std::uint64_t max_bytes);

} // namespace dbuild::executors::runtime
