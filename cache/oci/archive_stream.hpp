// SPDX-License-Identifier: Apache-2.0
// An image archive that can be read only once, from its beginning, as an engine saves one: its blobs come in the order
// of their digests, before what says which of them is which. None of it is kept on disk.
#pragma once

#include "cache/oci/image_copy.hpp"

#include <memory>

namespace dbuild::cache::oci {

struct PassedArchive {
    std::unique_ptr<ImageSource> texts; // manifests, indexes and configurations: all that is not in the target yet
    CopyReport report;                  // of the blobs that the target was given
};

/// Gives `to` all blobs of the archive as they come, one after the other, except JSON of up to 8 MiB a blob and 64 MiB
/// in all: more is in attestations only. A blob's descriptor says k_layer_type if it does not begin as anything
/// compressed, and no media type otherwise. In: archive — the tar of an OCI layout with one image. Errors: not_found,
/// when the texts are asked for the image — there is no index.json; corrupt — it is no tar, or a blob does not match
/// its name; those of both.
Result<PassedArchive> pass_archive(const ByteSource& archive, ImageTarget& to);

} // namespace dbuild::cache::oci
