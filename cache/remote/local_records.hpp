// SPDX-License-Identifier: Apache-2.0
// What the store has to say about the steps of a build, in the form in which a remote publishes it; and the other way.
#pragma once

#include "cache/remote/scope_index.hpp"
#include "cache/store/layer_store.hpp"

#include <filesystem>
#include <string>

namespace dbuild::cache::remote {

struct LocalRecords {
    ScopeIndex index;
    std::map<Digest, std::filesystem::path> pack_files;
};

/// Collects these steps with their layers, and all packs that those need. A step whose layer is not packed is left out.
/// In: bases — image IDs; those that are not recorded are left out. Errors: unavailable, corrupt.
Result<LocalRecords> collect(const store::LayerStore& layers, const std::set<Digest>& steps,
                             const std::set<std::string>& bases);

} // namespace dbuild::cache::remote
