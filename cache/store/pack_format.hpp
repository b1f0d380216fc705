// SPDX-License-Identifier: Apache-2.0
// Packs as bytes: what their tables hold, and how tables and trailer are written and read. docs/store_format.md
// describes the format for other programs; tests/helpers/read_store.py is one.
#pragma once

#include "support/digest.hpp"
#include "support/result.hpp"

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dbuild::cache::store {

inline constexpr std::size_t k_max_block_bytes = 1u << 20;                 // uncompressed
inline constexpr std::uint64_t k_max_table_bytes = std::uint64_t{1} << 28; // uncompressed; more is damage
inline constexpr std::string_view k_pack_header{"DBUILDPK\1\0\0\0\0\0\0\0", 16};
inline constexpr std::string_view k_pack_end = "dbuildpk";

/// A part of the file: a zstd frame, or the bytes themselves if both sizes are equal.
struct PackBlock {
    std::uint64_t offset = 0; // in the file
    std::uint32_t stored_bytes = 0, raw_bytes = 0;
};

/// Where a piece is within its pack.
struct PackedPiece {
    Digest hash;
    std::uint32_t block = 0, start = 0, length = 0;
};

struct BlockPlace {
    std::uint32_t pack = 0; // position in PackedLayer::packs
    std::uint32_t block = 0;
    friend auto operator<=>(const BlockPlace&, const BlockPlace&) = default;
};

/// How a layer is put together. Its recipe is cut into segments of one block each.
struct PackedLayer {
    struct Need {
        Digest pack;                 // zero: the pack that holds this record
        std::uint64_t raw_bytes = 0; // of the layer in that pack
    };
    Digest diff_id;
    std::uint64_t tar_bytes = 0;
    std::vector<Need> packs;
    std::vector<BlockPlace> recipe;
};

/// A step whose layer is in this pack: the index can be rebuilt from these.
struct PackedStep {
    Digest key, diff_id, content_id;
    std::string created, ingredients;
    std::uint64_t wall_us = 0;
    Digest parent = {}; // zeros: none, or not known
    std::vector<std::string> scopes = {};
};

struct PackTables {
    std::vector<PackBlock> blocks;
    std::vector<PackedLayer> layers;
    std::vector<PackedPiece> pieces;
    std::vector<PackedStep> steps;
};

/// Uncompressed tables, in the order of PackTables.
enum class PackTable : std::size_t { blocks, layers, pieces, steps };
inline constexpr std::size_t k_table_count = 4;
std::string encode_table(const PackTables& tables, PackTable table);
/// Errors: corrupt — anything but the bytes of encode_table() for tables that agree with each other.
Status decode_table(std::string_view bytes, PackTable table, PackTables& tables);

struct PackTrailer {
    struct Place {
        std::uint64_t offset = 0, stored_bytes = 0, raw_bytes = 0;
        Digest hash; // of the stored bytes
    };
    std::array<Place, k_table_count> tables;
};
inline constexpr std::size_t k_trailer_bytes = k_table_count * (3 * 8 + Digest::k_size) + 8;
std::string encode_trailer(const PackTrailer& trailer);
/// In: bytes — the last k_trailer_bytes of a file of `file_bytes`. Errors: corrupt — also where a table would not fit
/// the file.
Result<PackTrailer> decode_trailer(std::string_view bytes, std::uint64_t file_bytes);

} // namespace dbuild::cache::store
