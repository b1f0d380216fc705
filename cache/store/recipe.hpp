// SPDX-License-Identifier: Apache-2.0
// Recipes: which bytes, one after the other, are a layer's tar. A recipe is written in segments that fit a block each,
// so that neither writing nor reading one needs memory for a whole layer. Format: docs/store_format.md "Recipes".
#pragma once

#include "cache/store/wire.hpp"
#include "support/result.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace dbuild::cache::store {

/// A piece as a recipe names it.
struct PieceReference {
    std::uint32_t pack = 0; // position in PackedLayer::packs
    std::uint32_t block = 0, start = 0, length = 0;
};

/// One instruction of a recipe.
struct RecipePart {
    enum class Kind : std::uint8_t { literal, zeros, piece } kind = Kind::literal;
    std::string_view bytes;  // of a literal
    std::uint64_t count = 0; // of zeros
    PieceReference piece;
};

class RecipeWriter {
public:
    void literal(std::string_view bytes);
    void zeros(std::uint64_t count);
    void piece(const PieceReference& reference);

    /// Of the present segment, an upper bound of its encoded size.
    std::size_t size() const;
    bool is_empty() const { return size() == k_overhead; }
    /// The present segment; the next one is empty and stands for itself.
    std::string take_segment();

private:
    static constexpr std::size_t k_overhead = 32; // an open run of literals or zeros, and the length in front
    void close_run();
    WireWriter instructions_;
    std::string literals_;
    std::uint64_t open_literal_ = 0, open_zeros_ = 0;
    PieceReference last_;
};

/// Reads a segment, which must outlive the parts. Errors: corrupt.
Result<std::vector<RecipePart>> read_segment(std::string_view segment);

} // namespace dbuild::cache::store
