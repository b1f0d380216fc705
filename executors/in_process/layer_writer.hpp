// SPDX-License-Identifier: Apache-2.0
// Writes the tar of a layer with the very bytes that BuildKit would write, hashing it on the way. What goes into the
// layer, and in which order, is the caller's business. Source: headers as Go's archive/tar makes them (USTAR where it
// fits, else PAX) from what containerd's differ hands it: no names of users, whole seconds, of all extended attributes
// only security.capability.
#pragma once

#include "cache/oci/layer_tar.hpp"
#include "support/digest.hpp"
#include "support/files.hpp"
#include "support/result.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace dbuild::executors::in_process {

/// Hands the bytes of one file to the sink.
using BodyReader = std::function<Status(const cache::oci::ByteSink&)>;

/// The header blocks of one entry. A hard link's `size` is ignored, a file's bytes follow the blocks.
/// In: entry — `path` as everywhere without slashes at its ends; a directory's name gets one.
std::string layer_header(const cache::oci::LayerEntry& entry);

class LayerWriter {
public:
    /// Errors: unavailable — the file cannot be made.
    static Result<LayerWriter> create(std::filesystem::path path);

    /// In:     entry — of a file: `size` and `content` that the bytes are expected to have; a content that nobody knows
    ///         is zero. body — of a file that is not empty.
    /// Out:    what a scan of the tar will say of the entry.
    /// Errors: transient — the bytes are others; unavailable — disk; what `body` fails with. The tar is of no use then.
    Result<cache::oci::LayerEntry> add(cache::oci::LayerEntry entry, const BodyReader& body = nullptr);

    struct Written {
        Digest diff_id;
        std::uint64_t size = 0; // bytes
    };
    Result<Written> finish();

private:
    LayerWriter(std::filesystem::path path, Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
    Status write(std::string_view bytes);
    Status flush();
    Result<Digest> add_body(const cache::oci::LayerEntry& entry, const BodyReader& body);

    std::filesystem::path path_;
    Fd fd_;
    Sha256 hasher_;
    std::uint64_t size_ = 0;
    std::string buffer_;
};

} // namespace dbuild::executors::in_process
