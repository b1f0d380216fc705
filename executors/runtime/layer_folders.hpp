// SPDX-License-Identifier: Apache-2.0
// The layers that lie unpacked on this machine, each once, to be lower layers of overlay mounts:
//   <root>/<64 hex digits of the diff_id>/files     the folder, as overlay_form.hpp says
//   <root>/<64 hex digits of the diff_id>/contents  its table of contents, encoded; modified when it was used last
//   <root>/<64 hex digits of the diff_id>/size      bytes of its files, decimal
//   <root>/tmp-XXXXXX                               what somebody makes or deletes
//   <root>/lock                                     held shared by everyone who uses the folders
//   <root>/boot                                     the boot of this machine that they were made in; locked while a
//                                                   process opens the root or gives a layer its name
// Everything here can be made again from the layers; it goes when nobody uses it, oldest first, or after a reboot.
#pragma once

#include "executors/executor.hpp"
#include "support/files.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>

namespace dbuild::executors::runtime {

/// Stays as it is as long as the LayerFolders that gave it; nobody may write there.
struct UnpackedLayer {
    std::filesystem::path folder;
    std::shared_ptr<const cache::oci::TableOfContents> contents; // shared by all who ask for this layer
};

/// Threads: get and adopt from any number of threads and processes at once.
class LayerFolders {
public:
    /// In:     root — made, 0700, where it does not exist. max_bytes — of all files in all folders; kept to when the
    ///         last process is done with them, so there may be more before.
    /// Errors: unavailable — also while another machine uses it, no_space. Waits while another process decides what
    ///         goes.
    static Result<LayerFolders> open(std::filesystem::path root, std::uint64_t max_bytes);
    LayerFolders(LayerFolders&&) noexcept;
    LayerFolders& operator=(LayerFolders&&) = delete;
    /// If no other one lives: deletes what dead processes left half done, and the least recently used folders until
    /// the others hold max_bytes.
    ~LayerFolders();

    /// The folder of a layer, which is unpacked if it is not there, or damaged. Several threads do that once; of
    /// several processes the first one's folder is kept.
    /// In:     read_layer — called at most once, with the digest of the layer's descriptor.
    /// Errors: as unpack_layer; corrupt — also where the bytes are those of another layer; what read_layer fails with.
    Result<UnpackedLayer> get(const RootLayer& layer, const LayerReader& read_layer);

    /// Unpacks a layer of which only the bytes are known. Errors: as unpack_layer.
    Result<cache::oci::LayerScan> take(const cache::oci::ByteSource& blob);

    /// Makes the upper folder of an overlay, unmounted, the folder of the layer that was made from it.
    /// In:     upper — on the file system of the root. contents — of that layer.
    /// Effects: upper is gone, renamed, or deleted where the layer was there before.
    /// Errors: unavailable, no_space; upper may be gone then too.
    Result<UnpackedLayer> adopt(const std::filesystem::path& upper, const Digest& diff_id,
                                cache::oci::TableOfContents contents);

private:
    struct Known;
    struct Layer;
    LayerFolders(std::filesystem::path root, std::uint64_t max_bytes, Fd lock);
    std::filesystem::path folder_of(const Digest& diff_id) const { return root_ / diff_id.hex(); }
    UnpackedLayer use(const Digest& diff_id, Layer& layer) const;
    Status publish(const std::filesystem::path& made, const Digest& diff_id, cache::oci::TableOfContents contents,
                   Layer& layer) const;
    void prune();

    std::filesystem::path root_;
    std::uint64_t max_bytes_;
    Fd lock_;
    std::unique_ptr<Known> known_; // not here, so that this can be moved
};

/// Bytes of the files in all unpacked layers. In: root — may be missing. Errors: unavailable.
Result<std::uint64_t> unpacked_bytes(const std::filesystem::path& root);

} // namespace dbuild::executors::runtime
