// SPDX-License-Identifier: Apache-2.0
// Puts a layer together again from packs, by its recipe. Threads decompress ahead while the bytes before are hashed and
// used.
#pragma once

#include "cache/oci/layer_tar.hpp"
#include "cache/store/catalog.hpp"

#include <functional>

namespace dbuild::cache::store {

/// Why a layer could not be read.
struct ReadProblem {
    std::optional<Digest> bad_pack; // this one is damaged or gone
};

/// Hands the tar to `sink` and checks it against its name at the end.
/// Errors: not_found — not packed; corrupt — see `problem`; unavailable; what `sink` fails with.
Status read_packed_layer(const std::filesystem::path& root, Catalog& catalog, const Digest& diff_id,
                         const oci::ByteSink& sink, ReadProblem& problem);

/// Opens a pack that a layer's record names.
using PackOpener = std::function<Result<PackReader>(const Digest& pack)>;

/// The same by a record that the caller has. In: pack — which holds the recipe. Errors: as above.
Status restore_layer(const PackedLayer& layer, const Digest& pack, PackOpener open, const oci::ByteSink& sink,
                     ReadProblem& problem);

} // namespace dbuild::cache::store
