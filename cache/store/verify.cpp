// SPDX-License-Identifier: Apache-2.0
#include "cache/store/verify.hpp"

#include "cache/store/catalog.hpp"
#include "cache/store/layer_reader.hpp"
#include "cache/store/rebuild.hpp"

#include <fmt/format.h>

#include <unistd.h>

namespace fs = std::filesystem;

namespace dbuild::cache::store {
namespace {

/// What is wrong with a pack; empty if nothing is.
std::string problem_of(const fs::path& root, const CatalogPack& pack) {
    const auto check = [&]() -> Status {
        DBUILD_TRY_ASSIGN(const auto reader, PackReader::open(pack_path(root, pack.name)));
        DBUILD_TRY_ASSIGN(const auto hash, reader.hash_file());
        if (hash != pack.name) return fail(ErrorKind::corrupt, "its bytes do not match its name");
        DBUILD_TRY_ASSIGN(const auto tables, reader.read_tables());
        ZstdFrames frames;
        std::string block;
        std::size_t loaded = tables.blocks.size();
        for (const auto& piece : tables.pieces) { // in the order of their blocks, as they were written
            if (piece.block != loaded) {
                DBUILD_TRY_ASSIGN(block, reader.read_block(piece.block, frames));
                loaded = piece.block;
            }
            if (sha256(std::string_view(block).substr(piece.start, piece.length)) != piece.hash)
                return fail(ErrorKind::corrupt, "a piece does not match its hash");
        }
        return {};
    };
    const auto done = check();
    return done ? std::string() : done.error().message;
}

std::vector<std::pair<fs::path, Digest>> blobs_below(const fs::path& root) {
    std::vector<std::pair<fs::path, Digest>> blobs;
    const auto folders = list_folder(root / "layers");
    if (!folders) return blobs;
    for (const auto& folder : *folders)
        if (const auto paths = list_folder(folder))
            for (const auto& path : *paths)
                if (const auto digest = Digest::parse("sha256:" + path.stem().stem().string()))
                    blobs.emplace_back(path, *digest);
    return blobs;
}

} // namespace

Result<VerifyResult> verify(const LayerStore& layers, Repair repair,
                            const std::function<void(std::size_t, std::size_t)>& progress) {
    DBUILD_TRY(layers.flush());
    auto& catalog = layers.catalog();
    VerifyResult result;
    DBUILD_TRY_ASSIGN(const auto unlisted, unlisted_packs(layers));
    result.unlisted_packs = unlisted.size();
    DBUILD_TRY_ASSIGN(const auto packs, catalog.packs());
    DBUILD_TRY_ASSIGN(const auto stored, catalog.layers());
    const auto blobs = blobs_below(layers.root());
    std::size_t done = 0;
    const auto step = [&] {
        if (progress) progress(++done, packs.size() + stored.size() + blobs.size());
    };
    for (const auto& pack : packs) {
        ++result.packs;
        step();
        const auto problem = problem_of(layers.root(), pack);
        if (problem.empty()) continue;
        result.problems.push_back(fmt::format("pack {}: {}", pack.name.hex(), problem));
        if (repair == Repair::no) continue;
        DBUILD_TRY(catalog.forget_pack(pack.name));
        ::unlink(pack_path(layers.root(), pack.name).c_str());
    }
    for (const auto& layer : stored) {
        step();
        ReadProblem where;
        const auto read = read_packed_layer(
            layers.root(), catalog, layer.diff_id, [](std::string_view) -> Status { return {}; }, where);
        if (!read && repair == Repair::yes && read.error().kind == ErrorKind::not_found) continue; // went with its pack
        ++result.layers;
        if (read) continue;
        result.problems.push_back(fmt::format("layer {}: {}", layer.diff_id.to_string(), read.error().message));
        if (repair == Repair::yes) DBUILD_TRY(catalog.forget_layers({&layer.diff_id, 1}));
    }
    for (const auto& [path, digest] : blobs) {
        ++result.blobs;
        step();
        const auto read = read_layer_file(path, digest, [](std::string_view) -> Status { return {}; });
        if (read) continue;
        result.problems.push_back(fmt::format("blob {}: {}", digest.to_string(), read.error().message));
        if (repair == Repair::yes) ::unlink(path.c_str());
    }
    return result;
}

} // namespace dbuild::cache::store
