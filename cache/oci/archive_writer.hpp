// SPDX-License-Identifier: Apache-2.0
// Writes one image as an archive that every engine loads: an OCI layout for the containerd image store and Docker's
// manifest.json for the classic one, over the same blobs. Reading archives is archive.hpp's business.
#pragma once

#include "cache/oci/image.hpp"
#include "cache/oci/layer_tar.hpp"

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace dbuild::cache::oci {

struct ImageToArchive {
    ImageConfig config; // for the platform in the index
    std::string config_json, manifest_json;
    std::vector<Descriptor> layers;
    std::string name;               // e.g. "docker.io/library/app:latest"; may be empty
    std::set<Digest> left_out = {}; // layers that the manifest names and that the reader of the archive should have
    /// The manifest of an image that the reader has, all of it: the index names it as well, without a name.
    std::optional<Descriptor> companion = std::nullopt;
};

using BlobReader = std::function<Status(const Digest& blob, const ByteSink& sink)>;
/// The next bytes of an archive, 0 at its end; k_broken_body (support/http.hpp) if there are none to be had.
using ArchiveReader = std::function<std::size_t(char* buffer, std::size_t capacity)>;

/// Hands the archive to `take` while it is being written: no part of it is kept, on disk or in memory.
/// In: read_layer — is called from a thread of its own.
/// Errors: what read_layer fails with, before what take fails with.
Status stream_archive(const ImageToArchive& image, const BlobReader& read_layer,
                      const std::function<Status(const ArchiveReader&)>& take);

} // namespace dbuild::cache::oci
