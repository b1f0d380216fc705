// SPDX-License-Identifier: Apache-2.0
// Images from one place to another, by moving only the blobs that are missing there. Places are registries
// (registry_image.hpp), OCI layout folders (layout_folder.hpp), archives (image_archive.hpp) and, outside of this
// folder, the store. No manifest or blob is changed on its way, so digests are the same everywhere.
#pragma once

#include "cache/oci/image.hpp"
#include "cache/oci/layer_tar.hpp"
#include "cache/oci/registry.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace dbuild::cache::oci {

/// One image, or index of images, that can be read. Reading blobs is safe from several threads.
class ImageSource {
public:
    virtual ~ImageSource() = default;
    /// In: digest — of a manifest below the image's index; nothing: the image's own.
    /// Errors of all members: not_found; corrupt — the bytes do not match their digest; as the place's.
    virtual Result<FetchedManifest> read_manifest(const std::optional<Digest>& digest) = 0;
    virtual Status read_blob(const Descriptor& blob, const ByteSink& sink) = 0;
    /// The blob as a file, where it is one already; its bytes were not checked.
    virtual std::optional<std::filesystem::path> file_of(const Digest&) { return std::nullopt; }
    /// The image's repository, if that is in the registry `host`: blobs need not be moved within one. Else empty.
    virtual std::string repository_in(std::string_view /* host */) { return ""; }
};

class ImageTarget {
public:
    virtual ~ImageTarget() = default;
    /// Blobs that put_blob() will get, of an image that is still being made: a target may begin to look for them.
    /// Nobody has an image with a layer that is new, so find_image() may take it for absent then. At most once.
    virtual void expect(const std::vector<Descriptor>& /* blobs */) {}
    enum class Presence { absent, unnamed, complete };
    /// Whether the whole image is there, and has the name that it is to get. `absent` may also mean that asking is no
    /// use.
    virtual Result<Presence> find_image(const Descriptor& root) = 0;
    /// Safe from several threads, up to max_parallel().
    virtual Result<PushOutcome> put_blob(const Descriptor& blob, ImageSource& from) = 0;
    enum class Role { root, below_index };
    /// Everything that the manifest names is there. The root, which gets the name, comes last.
    virtual Status put_manifest(const FetchedManifest& manifest, Role role) = 0;
    /// After the last image.
    virtual Status finish() { return {}; }
    virtual std::size_t max_parallel() const { return 4; }
};

struct CopyReport {
    Digest digest;             // of the image's manifest or index
    bool was_complete = false; // the target had it under that name
    std::uint64_t blobs_there = 0, blobs_mounted = 0, blobs_moved = 0;
    std::uint64_t bytes_moved = 0; // of blobs
};

/// In:     from — with all platforms that it has.
/// Errors: those of both places; corrupt — a manifest is none.
Result<CopyReport> copy_image(ImageSource& from, ImageTarget& to);

/// True for the two types of manifests that name further manifests.
bool is_index_type(std::string_view media_type);
/// The type that a manifest says it has, or that its members show. Errors: corrupt.
Result<std::string> manifest_type_of(std::string_view json);

/// Errors: corrupt — longer than 8 MiB; the source's.
Result<std::string> read_config(ImageSource& from, const Descriptor& config);

/// The manifest for a platform below an image's index, or the image's own where it is none. In: platform —
/// "linux/arm64/v8". Errors: not_found — it is for other platforms; the source's.
Result<FetchedManifest> read_platform_manifest(ImageSource& from, std::string_view platform);

} // namespace dbuild::cache::oci
