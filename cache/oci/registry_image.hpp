// SPDX-License-Identifier: Apache-2.0
// An image in a registry, as a place to copy from or to.
#pragma once

#include "cache/oci/image_copy.hpp"
#include "cache/oci/reference.hpp"

#include <memory>

namespace dbuild::cache::oci {

/// In: registries — borrowed.
std::unique_ptr<ImageSource> make_registry_source(Registries& registries, ImageReference image);
/// Blobs that are no files yet go through a temporary file each, so that a broken upload can begin anew.
std::unique_ptr<ImageTarget> make_registry_target(Registries& registries, ImageReference image);

} // namespace dbuild::cache::oci
