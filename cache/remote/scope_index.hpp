// SPDX-License-Identifier: Apache-2.0
// What a remote publishes of a scope: step records, tables of contents, base images, and where the layers are in which
// packs. As bytes it is one compressed SQLite file (docs/remotes.md), which anybody may have written.
#pragma once

#include "cache/store/index.hpp"
#include "cache/store/pack_format.hpp"

#include <map>
#include <set>

namespace dbuild::cache::remote {

struct ScopeIndex {
    struct Step {
        store::StepRecord record; // without layer_bytes
        std::int64_t used = 0;    // seconds since 1970; when a build used it last
    };
    struct Base {
        store::BaseRecord record;
        std::int64_t used = 0;
    };
    /// What a reader of the pack would else have to ask for: where its blocks are, and its layers.
    struct Pack {
        std::uint64_t bytes = 0; // of the file
        std::vector<store::PackBlock> blocks;
        std::vector<store::PackedLayer> layers;
    };
    std::map<Digest, Step> steps;                   // by key
    std::map<Digest, store::PublishedLayer> layers; // by diff_id; of steps and of bases
    std::map<std::string, Base> bases;              // by the engine's ID
    std::map<Digest, Pack> packs;
};

Result<std::string> encode(const ScopeIndex& index);
/// Errors: corrupt — no sound index, or rows in it that no dbuild writes; unsupported — of a newer format.
Result<ScopeIndex> decode(std::string_view bytes);

/// The tables of the file, as SQL.
std::string_view scope_index_schema();

struct LayerPlace {
    Digest pack; // with the recipe
    const store::PackedLayer* layer = nullptr;
};
/// The layers all of whose packs are in the index, by diff_id. Valid as long as the index is not changed.
std::map<Digest, LayerPlace> restorable_layers(const ScopeIndex& index);

/// Adds what is new; of two results for one key the first stays, but those in `replaced` give way.
void merge(ScopeIndex& index, const ScopeIndex& added, const std::set<Digest>& replaced);

/// Removes packs that are not there any more, and the steps whose layers went with them.
void forget_packs(ScopeIndex& index, const std::set<Digest>& gone);

/// Keeps what was used last: at most that many bytes of rows; then nothing that nobody refers to.
void trim(ScopeIndex& index, std::uint64_t max_bytes);

} // namespace dbuild::cache::remote
