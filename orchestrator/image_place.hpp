// SPDX-License-Identifier: Apache-2.0
// Places of images as a command line names them:
//   REFERENCE or docker://REFERENCE   a registry
//   oci:FOLDER[:NAME]                 an OCI layout folder
//   archive:FILE[:NAME]               a tar of docker save or dbuild save; oci-archive: and docker-archive: mean the
//   same
//   engine:NAME                       an image of the engine (local_images.hpp); docker-daemon: means the same
//   cache:NAME                        one that was built with the cache, or a base image that the cache has
#pragma once

#include "cache/oci/image_archive.hpp"
#include "cache/oci/image_copy.hpp"
#include "cache/oci/reference.hpp"
#include "orchestrator/output_file.hpp"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dbuild::orchestrator {

struct ImagePlace {
    enum class Kind { registry, layout, archive, engine, cache };
    Kind kind = Kind::registry;
    cache::oci::ImageReference reference; // of a registry, the engine, the cache
    std::filesystem::path path;           // of a layout or archive; "-": an archive to standard output
    std::string name;                     // in the layout or archive; may be empty
    std::vector<std::string> names;       // that an archive gives to its image: whole references

    /// Errors: usage.
    static Result<ImagePlace> parse(std::string_view text);
};

/// In: place — elsewhere than in the engine and the cache. registries — borrowed. Errors: not_found, unavailable,
/// corrupt — the archive cannot be read.
Result<std::unique_ptr<cache::oci::ImageSource>> make_source(const ImagePlace& place,
                                                             cache::oci::Registries& registries);

/// An archive in an OutputFile.
class ArchiveOutput {
public:
    /// Errors: unavailable.
    static Result<ArchiveOutput> open(const std::filesystem::path& path);
    cache::oci::ArchiveTarget& target() { return *target_; }
    /// After the last image. Errors: unavailable.
    Status finish();

private:
    std::unique_ptr<OutputFile> file_; // where the target writes
    std::unique_ptr<cache::oci::ArchiveTarget> target_;
};

/// The target that a place is.
class OpenTarget {
public:
    /// In: as make_source. Errors: unavailable.
    static Result<OpenTarget> open(const ImagePlace& place, cache::oci::Registries& registries);
    cache::oci::ImageTarget& target() { return archive_ ? archive_->target() : *target_; }
    /// After the last image. Errors: the target's.
    Status finish();

private:
    std::optional<ArchiveOutput> archive_;
    std::unique_ptr<cache::oci::ImageTarget> target_; // of the other kinds
};

} // namespace dbuild::orchestrator
