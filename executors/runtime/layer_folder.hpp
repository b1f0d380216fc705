// SPDX-License-Identifier: Apache-2.0
// Makes one layer, from its tar or entry by entry, a folder that overlayfs takes as a lower layer (overlay_form.hpp).
// Which folders there are and how long they live is layer_folders.hpp's business. Root only.
#pragma once

#include "cache/oci/layer_tar.hpp"
#include "support/result.hpp"

#include <filesystem>
#include <functional>

namespace dbuild::executors::runtime {

/// Reads a layer, compressed or not, once. Nothing is synced. No entry reaches anything outside of the folder.
/// In:     folder — exists, empty; nobody else writes there.
/// Out:    the scan; the folder holds what the layer says, times in whole seconds. The folder itself has the attributes
///         of the layer's root entry, or 0755 0:0.
/// Errors: unsupported — as check_overlay_form; corrupt — as scan_layer; no_space, unavailable — the disk; what blob
///         fails with. The folder's content is of no use then.
/// Threads: any number of calls, with folders of their own.
Result<cache::oci::LayerScan> unpack_layer(const cache::oci::ByteSource& blob, const std::filesystem::path& folder);

/// The same of a layer that somebody hands on, whose files come after their folders.
/// In:     send — called once.
/// Out:    what a scan of such a layer would say.
/// Errors: as unpack_layer; transient — the bytes of a file are not those that its entry expects; what send fails with.
Result<cache::oci::TableOfContents> make_layer_folder(const std::function<Status(const cache::oci::EntrySink&)>& send,
                                                      const std::filesystem::path& folder);

} // namespace dbuild::executors::runtime
