// SPDX-License-Identifier: Apache-2.0
// Writes one image as an archive that every engine loads: an OCI layout for the containerd image store and Docker's
// manifest.json for the classic one, over the same blobs. Reading archives is archive.hpp's business.
#pragma once

#include "cache/oci/image.hpp"
#include "cache/oci/layer_tar.hpp"
#include "support/files.hpp"

#include <functional>
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
};

using BlobReader = std::function<Status(const Digest& blob, const ByteSink& sink)>;

/// An archive in a temporary file, which is deleted with this object.
class ArchiveFile {
public:
    /// Errors:  unavailable — disk; what read_layer fails with.
    static Result<ArchiveFile> write(const ImageToArchive& image, const BlobReader& read_layer);

    /// The next bytes of the archive, 0 at its end.
    std::size_t read(char* buffer, std::size_t capacity) const;

private:
    ArchiveFile(TempDir folder, std::filesystem::path path, Fd fd)
        : folder_(std::move(folder)), path_(std::move(path)), fd_(std::move(fd)) {}
    Status append(std::string_view bytes) { return write_all(fd_.get(), bytes, path_); }
    Status add(const std::string& name, std::string_view bytes);
    Status add_blob(const Descriptor& blob, const BlobReader& read_blob);

    TempDir folder_;
    std::filesystem::path path_;
    Fd fd_;
};

} // namespace dbuild::cache::oci
