// SPDX-License-Identifier: Apache-2.0
// What the index says, held against what it speaks of: SQLite's own structure, packs' tables, what is in the layers.
// Finds rows that would mislead. Rows that lack what they name (a step whose layer was never looked into, a piece of a
// pack that is gone) are found by nobody and are no damage. Who asks for it is verify.hpp.
#pragma once

#include "cache/oci/layer_tar.hpp"
#include "cache/store/database.hpp"
#include "cache/store/pack_format.hpp"

#include <span>
#include <string>
#include <vector>

namespace dbuild::cache::store {

/// Errors of all members: as Index.
class IndexCheck {
public:
    static Result<IndexCheck> open(const std::filesystem::path& root);

    /// What SQLite finds wrong with the file; at most 100 lines, none if it is sound.
    Result<std::vector<std::string>> structure();
    /// What is wrong with the rows of a pack, its pieces and the layers in it; empty if nothing is.
    /// In: bytes — of the pack's file; tables — as they are in it. Cost: besides, one scan of all rows of pieces.
    Result<std::string> problem_with_pack(const Digest& name, std::uint64_t bytes, const PackTables& tables);
    /// Layers that name a pack which the index does not list.
    Result<std::vector<Digest>> layers_without_pack();
    /// What is wrong with a layer's size and table of contents; empty if nothing is, or if nobody looked into it yet.
    /// In: scan — what a pass over the layer's bytes found.
    Result<std::string> problem_with_layer(const oci::LayerScan& scan);
    /// Keys of steps that made this layer, but whose content ID is not the layer's.
    Result<std::vector<Digest>> steps_of_other_content(const oci::LayerScan& scan);
    /// Layers whose table of contents does not match its checksum.
    Result<std::vector<Digest>> damaged_contents();

    /// Makes SQLite's look-up tables anew from the rows.
    Status reindex() { return database_.execute("REINDEX"); }
    /// Writes size and table of contents of a layer anew, where there is a row of it.
    Status correct_contents(const oci::LayerScan& scan);
    /// As if nobody had looked into these layers: steps that made them are misses.
    Status forget_contents(std::span<const Digest> diff_ids);
    Status forget_steps(std::span<const Digest> keys);

private:
    explicit IndexCheck(Database database) : database_(std::move(database)) {}
    Result<std::string> problem_now(const Digest& name, std::uint64_t bytes, const PackTables& tables);
    Result<std::uint64_t> count_right_pieces(std::uint64_t pack, const PackTables& tables, std::uint64_t& wrong);
    Result<bool> has_needs_of(std::uint64_t pack, const PackedLayer& layer);
    Status delete_each(std::string_view sql, std::span<const Digest> digests);
    Database database_;
};

} // namespace dbuild::cache::store
