// SPDX-License-Identifier: Apache-2.0
// Where a build's result goes: the values of --output, --load and --push. Source: docker/buildx util/buildflags and
// BuildKit's exporters; docs/registry.md says which of them dbuild makes itself.
#pragma once

#include "orchestrator/annotations.hpp"
#include "support/result.hpp"

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace dbuild::orchestrator::exporters {

/// How the layers that dbuild made are packed. Those of the base image stay as they came.
struct Compression {
    enum class Kind { uncompressed, gzip, zstd };
    Kind kind = Kind::gzip;
    int level = -1; // -1: the default of the kind

    /// In: text — uncompressed, gzip or zstd. Errors: unsupported.
    static Result<Kind> parse_kind(std::string_view text);
    /// What the bytes depend on besides the layer: "gzip level 6 by libdeflate 1.14".
    std::string name() const;
};

enum class MediaTypes { oci, docker };

/// What the blobs of an image are to be like.
struct Packing {
    Compression compression;
    MediaTypes types = MediaTypes::oci;
    std::vector<Annotation> annotations; // besides those of the build
};

struct Output {
    enum class Kind {
        engine,        // type=docker or type=image without a destination, --load
        registry,      // type=registry, type=image,push=true, --push
        layout_folder, // type=oci,tar=false
        archive,       // type=oci or type=docker with a destination
        folder,        // type=local: the files, without the image
        tar,           // type=tar: the same
        nothing,       // type=cacheonly
    };
    Kind kind = Kind::engine;
    std::filesystem::path path;     // of a folder, archive or tar; "-": standard output
    std::vector<std::string> names; // instead of the tags
    Packing packing;
    bool rewrites_timestamps = false; // files are not younger than SOURCE_DATE_EPOCH
    bool is_insecure = false;         // of a registry
    bool is_loaded = true; // of a registry: the engine gets the image too, as with docker's builder; store=false: not

    /// Whether the image goes there as one, with manifest and configuration; and if so, whether an index may.
    bool takes_images() const { return kind != Kind::folder && kind != Kind::tar && kind != Kind::nothing; }
    bool takes_indexes() const { return takes_images() && kind != Kind::engine; }

    /// In: text — fields (command_line/fields.hpp) "type=TYPE,NAME=VALUE…", or FOLDER (type=local) or "-" (a tar on
    /// standard output).
    /// Errors: usage; unsupported — docker buildx has to make it.
    static Result<Output> parse(std::string_view text);
};

} // namespace dbuild::orchestrator::exporters
