// SPDX-License-Identifier: Apache-2.0
// The layer store: layer blobs by digest. Layers that dbuild made are uncompressed tars, named by their diff_id and kept in one
// zstd file each; layers of a base image that arrived compressed are kept as they came, because nobody could compress them
// again to the same bytes. Written once (temporary file, fdatasync, rename), checked whenever read. What the layers mean is the
// index's business.
#pragma once

#include "cache/oci/layer_tar.hpp"
#include "support/digest.hpp"
#include "support/result.hpp"

#include <filesystem>

namespace dbuild::cache::store {

class LayerStore {
public:
    /// In: root — the cache folder; `layers` is made below it.
    static Result<LayerStore> open(const std::filesystem::path& root);

    /// Stores one layer and returns what one pass over it found.
    /// In: blob — a tar, plain or compressed; expected — its diff_id.
    /// Errors: corrupt — the bytes do not hash to `expected` or are no tar; unavailable — disk.
    /// Effects: nothing is visible on failure; a layer that is already there is left alone.
    Result<oci::LayerScan> put(const oci::ByteSource& blob, const Digest& expected) const;

    /// Stores a blob as it is. Errors: corrupt — the bytes do not hash to `digest`; unavailable — disk.
    Status put_blob(const oci::ByteSource& blob, const Digest& digest) const;

    bool has(const Digest& digest) const;

    /// Hands the blob of that name to `sink` (for a diff_id: the uncompressed tar), and checks it against its name at the end.
    /// Errors: not_found; corrupt — the file did not match and is now deleted; what `sink` fails with.
    Status read(const Digest& digest, const oci::ByteSink& sink) const;

private:
    explicit LayerStore(std::filesystem::path folder) : folder_(std::move(folder)) {}
    std::filesystem::path packed_path(const Digest& diff_id) const;
    std::filesystem::path blob_path(const Digest& digest) const;
    std::filesystem::path folder_;
};

/// Reads a file as a ByteSource; the file stays open as long as the source lives. Errors: not_found, unavailable.
Result<oci::ByteSource> file_source(const std::filesystem::path& path);

} // namespace dbuild::cache::store
