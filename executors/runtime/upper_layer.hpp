// SPDX-License-Identifier: Apache-2.0
// What a RUN changed, as a layer: an upper folder of overlayfs becomes a tar as BuildKit writes it. Source: BuildKit's
// overlay differ and containerd's archive.ChangeWriter (../shared/reference/executor.md §3.2).
#pragma once

#include "cache/oci/layer_tar.hpp"
#include "support/result.hpp"

#include <filesystem>

namespace dbuild::executors::runtime {

/// In:      upper — nobody changes it any more; lower — the files below it; path — the tar, which does not exist yet.
/// Out:     what a scan of the tar says.
/// Errors:  unsupported — a file named like a whiteout; unavailable — the disk; as LayerWriter.
Result<cache::oci::LayerScan> write_upper_layer(const std::filesystem::path& upper, const cache::oci::FileTree& lower,
                                                const std::filesystem::path& path);

} // namespace dbuild::executors::runtime
