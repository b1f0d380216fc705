// SPDX-License-Identifier: Apache-2.0
// Writes the tar of a layer with the very bytes that BuildKit would write, hashing it on the way. What goes into the
// layer, and in which order, is the caller's business. Source: headers as Go's archive/tar makes them (USTAR where it
// fits, else PAX) from what containerd's differ hands it: no names of users, whole seconds, of all extended attributes
// only security.capability.
#pragma once

#include "cache/oci/layer_tar.hpp"
#include "support/background_sink.hpp"
#include "support/digest.hpp"
#include "support/result.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace dbuild::executors::in_process {

using cache::oci::BodyReader;

/// Hands the bytes of a file, and nothing of other entries, to the sink.
/// In:     as EntrySink.
/// Out:    what a scan of the layer will say of the entry.
/// Errors: transient — the bytes are not those that the entry expects; those of body and sink.
Result<cache::oci::LayerEntry> read_body(cache::oci::LayerEntry entry, const BodyReader& body,
                                         const cache::oci::ByteSink& sink);

/// The header blocks of one entry. A hard link's `size` is ignored, a file's bytes follow the blocks.
/// In: entry — `path` as everywhere without slashes at its ends; a directory's name gets one.
std::string layer_header(const cache::oci::LayerEntry& entry);

class LayerWriter {
public:
    /// Errors: unavailable — the file cannot be made.
    static Result<LayerWriter> create(const std::filesystem::path& path);

    /// In, out, errors: as read_body; unavailable — disk. After an error the tar is of no use.
    Result<cache::oci::LayerEntry> add(cache::oci::LayerEntry entry, const BodyReader& body = nullptr);

    struct Written {
        Digest diff_id;
        std::uint64_t size = 0; // bytes
    };
    Result<Written> finish();

private:
    explicit LayerWriter(BackgroundSink file) : file_(std::move(file)) {}
    Status write(std::string_view bytes);

    BackgroundSink file_; // the disk's part takes as long as all else
    Sha256 hasher_;
    std::uint64_t size_ = 0;
};

} // namespace dbuild::executors::in_process
