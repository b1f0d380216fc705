// SPDX-License-Identifier: Apache-2.0
// An image in an OCI layout folder, as a place to copy from or to. Source: OCI image specification 1.1, "Image Layout".
#pragma once

#include "cache/oci/image_copy.hpp"

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace dbuild::cache::oci {

/// The annotation of an index entry that names it, and Docker's, which holds the whole reference.
inline constexpr std::string_view k_name_annotation = "org.opencontainers.image.ref.name";
inline constexpr std::string_view k_docker_name_annotation = "io.containerd.image.name";

/// The entry of that name in a layout's index.json, in either annotation; the only entry where no name is given.
/// Errors: not_found — no such entry, or several and no name; corrupt.
Result<Descriptor> find_in_layout(std::string_view index_json, std::string_view name);

struct LayoutEntry {
    Descriptor descriptor;
    std::string image; // Docker's annotation; may be empty
};
/// All entries of a layout's index.json, in its order. Errors: corrupt.
Result<std::vector<LayoutEntry>> list_layout(std::string_view index_json);

/// In: name — may be empty if the folder holds one image.
std::unique_ptr<ImageSource> make_layout_source(std::filesystem::path folder, std::string name);
/// Makes the folder if need be; other images in it stay, and one of the same name gives it up.
/// In: image — the whole reference, for the annotation that Docker reads; may be empty.
std::unique_ptr<ImageTarget> make_layout_target(std::filesystem::path folder, std::string name, std::string image = "");

} // namespace dbuild::cache::oci
