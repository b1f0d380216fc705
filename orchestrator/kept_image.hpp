// SPDX-License-Identifier: Apache-2.0
// The images that were built last in each scope, so that another job can have them with no Dockerfile and no context at
// hand: a small file each, <cache folder>/images/SCOPE/TAG.json, which names layers that are in the store or were in
// it.
#pragma once

#include "orchestrator/assemble.hpp"
#include "orchestrator/parts.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dbuild::orchestrator {

struct KeptImage {
    std::string scope;
    std::vector<std::string> tags; // familiar form
    std::string config_json, manifest_json;
};

/// Makes it the scope's last one, and forgets the oldest of those of other tags where there are many.
/// In: folder — the cache's; empty: nothing is kept.
Status keep_image(const std::filesystem::path& folder, const KeptImage& image);

/// The scope's last one. Errors of both: corrupt, unavailable — a file cannot be read.
Result<std::optional<KeptImage>> find_kept_image(const std::filesystem::path& folder, std::string_view scope);
/// The image that was kept last under this tag. In: tag — familiar form.
Result<std::optional<KeptImage>> find_image_of_tag(const std::filesystem::path& folder, std::string_view tag);

/// As it was assembled; whether its layers can still be had shows when they are read. Errors: corrupt.
Result<AssembledImage> assembled(const Parts& parts, const KeptImage& image);

} // namespace dbuild::orchestrator
