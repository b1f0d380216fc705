// SPDX-License-Identifier: Apache-2.0
// Images in one tar file, as places to copy from or to: an OCI layout with Docker's manifest.json beside it, over the
// same blobs, which docker load, skopeo (oci-archive and docker-archive) and ctr take. Written as a stream, never
// twice.
#pragma once

#include "cache/oci/archive.hpp"
#include "cache/oci/image_copy.hpp"

#include <filesystem>
#include <memory>
#include <string>

namespace dbuild::cache::oci {

/// In: name — as an entry of its index.json; may be empty if the archive holds one image. Errors: as Archive::open.
Result<std::unique_ptr<ImageSource>> make_archive_source(const std::filesystem::path& archive, std::string name);
/// In: archive — that is open already.
std::unique_ptr<ImageSource> make_archive_source(Archive archive, std::string name);

/// Several images may be written one after the other; what they share is written once.
class ArchiveTarget : public ImageTarget {
public:
    explicit ArchiveTarget(ByteSink sink);
    ~ArchiveTarget() override;
    /// The names of the next image: whole references.
    void set_names(std::vector<std::string> names);
    Result<Presence> find_image(const Descriptor& root) override;
    Result<PushOutcome> put_blob(const Descriptor& blob, ImageSource& from) override;
    Status put_manifest(const FetchedManifest& manifest, Role role) override;
    Status finish() override;
    std::size_t max_parallel() const override { return 1; } // a tar has one end to write to

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace dbuild::cache::oci
