// SPDX-License-Identifier: Apache-2.0
// RUN without a daemon: each command in a container of crun or runc, on layers unpacked in the cache and joined by
// overlayfs, with a network by pasta (design §5, "Runtime"). Needs to be root.
#pragma once

#include "executors/executor.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>

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

/// What builds leave in the folder, in bytes.
struct FolderUse {
    std::uint64_t unpacked_layers = 0; // of their files
    std::uint64_t cache_mounts = 0;    // on disk
};

/// In: folder — may be missing. Errors: unavailable.
Result<FolderUse> folder_use(const std::filesystem::path& folder);

struct FolderLimits {
    std::optional<std::uint64_t> max_bytes;      // of unpacked layers, and as many of cache mounts
    std::optional<std::chrono::seconds> max_age; // of cache mounts, since a RUN took them; unpacked layers go at reboot
    bool is_dry_run = false;                     // unpacked layers stay, and are not counted
};

/// Deletes what is beyond the limits, least recently used first; nothing that a process uses.
/// Out:     how many cache mounts went, or would. Errors: unavailable.
Result<std::size_t> prune_folder(const std::filesystem::path& folder, const FolderLimits& limits);

} // namespace dbuild::executors::runtime
