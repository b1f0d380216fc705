// SPDX-License-Identifier: Apache-2.0
// Annotations of an image, as --annotation and the annotation attributes of --output give them. Source: docker/buildx
// ParseAnnotations; BuildKit's exptypes.
#pragma once

#include "support/result.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace dbuild::orchestrator {

struct Annotation {
    /// What it is of: a manifest, what names the manifest in an index, the index, or what names that.
    enum class Level { manifest, manifest_descriptor, index, index_descriptor };
    Level level = Level::manifest;
    std::string platform; // "linux/arm64": of its image only; empty: of all
    std::string name, value;
};

/// In:     text — "[LEVEL,…:]NAME=VALUE", LEVEL as "manifest-descriptor"; without one: the manifest.
/// Errors: usage.
Result<std::vector<Annotation>> parse_annotations(std::string_view text);

/// In: levels — separated by commas, such as "index" or "manifest[linux/arm64]". Errors: usage — in buildx's words.
Result<std::vector<Annotation>> annotations_at(std::string_view levels, const std::string& name,
                                               const std::string& value);

/// Those of one level, for the image of a platform; of several of one name the last.
std::map<std::string, std::string> select(const std::vector<Annotation>& annotations, Annotation::Level level,
                                          std::string_view platform = {});

} // namespace dbuild::orchestrator
