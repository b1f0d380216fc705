// SPDX-License-Identifier: Apache-2.0
#include "cache/store/pack_format.hpp"

#include "cache/store/wire.hpp"

#include <limits>

namespace dbuild::cache::store {
namespace {

tl::unexpected<Error> damaged(std::string_view what) {
    return fail(ErrorKind::corrupt, "pack: damaged " + std::string(what));
}

std::uint32_t narrow(std::uint64_t value, bool& is_bad) {
    if (value > std::numeric_limits<std::uint32_t>::max()) is_bad = true;
    return static_cast<std::uint32_t>(value);
}

std::string encode_blocks(const PackTables& tables) {
    WireWriter out;
    out.number(tables.blocks.size());
    for (const auto& block : tables.blocks) {
        out.number(block.stored_bytes);
        out.number(block.raw_bytes);
    }
    return out.take();
}

bool decode_blocks(WireReader& in, PackTables& tables) {
    tables.blocks.resize(in.count(2));
    std::uint64_t offset = k_pack_header.size();
    bool is_bad = false;
    for (auto& block : tables.blocks) {
        block = {offset, narrow(in.number(), is_bad), narrow(in.number(), is_bad)};
        is_bad = is_bad || block.raw_bytes > k_max_block_bytes || block.stored_bytes > block.raw_bytes ||
                 block.raw_bytes == 0;
        offset += block.stored_bytes;
    }
    return !is_bad;
}

std::string encode_layers(const PackTables& tables) {
    WireWriter out;
    out.number(tables.layers.size());
    for (const auto& layer : tables.layers) {
        out.digest(layer.diff_id);
        out.number(layer.tar_bytes);
        out.number(layer.packs.size());
        for (const auto& need : layer.packs) {
            out.digest(need.pack);
            out.number(need.raw_bytes);
        }
        out.number(layer.recipe.size());
        for (const auto& place : layer.recipe) {
            out.number(place.pack);
            out.number(place.block);
        }
    }
    return out.take();
}

bool decode_layers(WireReader& in, PackTables& tables) {
    bool is_bad = false;
    tables.layers.resize(in.count(Digest::k_size + 3));
    for (auto& layer : tables.layers) {
        layer.diff_id = in.digest();
        layer.tar_bytes = in.number();
        layer.packs.resize(in.count(Digest::k_size + 1));
        for (auto& need : layer.packs) {
            need.pack = in.digest();
            need.raw_bytes = in.number();
        }
        layer.recipe.resize(in.count(2));
        for (auto& place : layer.recipe) {
            place = {narrow(in.number(), is_bad), narrow(in.number(), is_bad)};
            is_bad = is_bad || place.pack >= layer.packs.size() ||
                     (layer.packs[place.pack].pack.is_zero() && place.block >= tables.blocks.size());
        }
    }
    return !is_bad;
}

// Hashes apart from places: they do not compress, the places do.
std::string encode_pieces(const PackTables& tables) {
    WireWriter out;
    out.number(tables.pieces.size());
    for (const auto& piece : tables.pieces) out.digest(piece.hash);
    for (const auto& piece : tables.pieces) {
        out.number(piece.block);
        out.number(piece.start);
        out.number(piece.length);
    }
    return out.take();
}

bool decode_pieces(WireReader& in, PackTables& tables) {
    bool is_bad = false;
    tables.pieces.resize(in.count(Digest::k_size + 3));
    for (auto& piece : tables.pieces) piece.hash = in.digest();
    for (auto& piece : tables.pieces) {
        piece.block = narrow(in.number(), is_bad);
        piece.start = narrow(in.number(), is_bad);
        piece.length = narrow(in.number(), is_bad);
        is_bad = is_bad || piece.block >= tables.blocks.size() ||
                 std::uint64_t{piece.start} + piece.length > tables.blocks[piece.block].raw_bytes;
        if (is_bad) return false;
    }
    return true;
}

void put_texts(WireWriter& out, const std::vector<std::string>& texts) {
    out.number(texts.size());
    for (const auto& text : texts) out.text(text);
}

std::vector<std::string> get_texts(WireReader& in) {
    std::vector<std::string> texts(in.count(1));
    for (auto& text : texts) text = in.text();
    return texts;
}

std::string encode_steps(const PackTables& tables) {
    WireWriter out;
    out.number(tables.steps.size());
    for (const auto& step : tables.steps) {
        out.digest(step.key);
        out.digest(step.diff_id);
        out.digest(step.content_id);
        out.text(step.created);
        out.text(step.ingredients);
        out.number(step.wall_us);
    }
    for (const auto& step : tables.steps) {
        out.digest(step.parent);
        put_texts(out, step.scopes);
    }
    return out.take();
}

bool decode_steps(WireReader& in, PackTables& tables) {
    tables.steps.resize(in.count(3 * Digest::k_size + 3));
    for (auto& step : tables.steps) {
        step.key = in.digest();
        step.diff_id = in.digest();
        step.content_id = in.digest();
        step.created = in.text();
        step.ingredients = in.text();
        step.wall_us = in.number();
    }
    if (in.at_end()) return true; // of store format 2
    for (auto& step : tables.steps) {
        step.parent = in.digest();
        step.scopes = get_texts(in);
    }
    return true;
}

void put_fixed(std::string& out, std::uint64_t value) {
    for (int shift = 0; shift < 64; shift += 8) out += static_cast<char>(value >> shift & 0xff);
}

std::uint64_t get_fixed(std::string_view bytes) {
    std::uint64_t value = 0;
    for (std::size_t i = 8; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
    return value;
}

} // namespace

std::string encode_table(const PackTables& tables, PackTable table) {
    switch (table) {
    case PackTable::blocks: return encode_blocks(tables);
    case PackTable::layers: return encode_layers(tables);
    case PackTable::pieces: return encode_pieces(tables);
    case PackTable::steps: return encode_steps(tables);
    }
    return {};
}

Status decode_table(std::string_view bytes, PackTable table, PackTables& tables) {
    static constexpr std::array<std::string_view, k_table_count> k_names{"block table", "layer table", "piece table",
                                                                         "step table"};
    static constexpr std::array k_decoders{decode_blocks, decode_layers, decode_pieces, decode_steps};
    WireReader in(bytes);
    const auto number = static_cast<std::size_t>(table);
    const bool is_good = k_decoders[number](in, tables);
    if (!is_good || in.failed() || !in.at_end()) return damaged(k_names[number]);
    return {};
}

std::string encode_trailer(const PackTrailer& trailer) {
    std::string out;
    for (const auto& place : trailer.tables) {
        put_fixed(out, place.offset);
        put_fixed(out, place.stored_bytes);
        put_fixed(out, place.raw_bytes);
        out.append(reinterpret_cast<const char*>(place.hash.bytes().data()), Digest::k_size);
    }
    return out += k_pack_end;
}

Result<PackTrailer> decode_trailer(std::string_view bytes, std::uint64_t file_bytes) {
    if (bytes.size() != k_trailer_bytes || !bytes.ends_with(k_pack_end)) return damaged("trailer");
    const auto end = file_bytes - k_trailer_bytes;
    PackTrailer trailer;
    for (auto& place : trailer.tables) {
        place.offset = get_fixed(bytes);
        place.stored_bytes = get_fixed(bytes.substr(8));
        place.raw_bytes = get_fixed(bytes.substr(16));
        WireReader hash(bytes.substr(24));
        place.hash = hash.digest();
        bytes.remove_prefix(24 + Digest::k_size);
        if (place.offset < k_pack_header.size() || place.offset > end || place.stored_bytes > end - place.offset ||
            place.raw_bytes > k_max_table_bytes)
            return damaged("trailer");
    }
    return trailer;
}

} // namespace dbuild::cache::store
