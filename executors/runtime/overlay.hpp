// SPDX-License-Identifier: Apache-2.0
// Mounts of overlayfs that nobody else sees: a thread gets a mount namespace of its own, whose mounts end with the
// thread and the programs that it started. Source: ../shared/reference/executor.md §3.1; kernel,
// Documentation/filesystems/overlayfs.rst.
#pragma once

#include "support/result.hpp"

#include <filesystem>
#include <span>

namespace dbuild::executors::runtime {

/// Gives the calling thread its own mount namespace and working directory. Errors: unsupported — not allowed to.
Status enter_private_mounts();

/// Mounts folders over one another at `folder`/merged; with changes going to `folder`/upper, or read-only.
/// In:      lowers — lowest first, at most 500; folder — private, on a file system that overlayfs can write to.
/// Errors:  unsupported — overlayfs cannot do it here; unavailable.
/// Effects: only in the thread's own namespace. Changes the thread's working directory.
enum class OverlayChanges { kept_in_upper, refused };
Result<std::filesystem::path> mount_overlay(const std::filesystem::path& folder,
                                            std::span<const std::filesystem::path> lowers, OverlayChanges changes);

/// After this the upper folder is as it will stay. Errors: unavailable — something still uses the mount.
Status unmount_overlay(const std::filesystem::path& folder);

} // namespace dbuild::executors::runtime
