// SPDX-License-Identifier: Apache-2.0
#include "cache/store/verify.hpp"

#include "cache/oci/byte_source.hpp"
#include "cache/store/catalog.hpp"
#include "cache/store/index_check.hpp"
#include "cache/store/layer_reader.hpp"
#include "cache/store/rebuild.hpp"

#include <fmt/format.h>

#include <optional>
#include <set>
#include <unistd.h>

namespace fs = std::filesystem;

namespace dbuild::cache::store {
namespace {

/// Out: its tables, which say the truth. Errors: corrupt; not_found; unavailable.
Result<PackTables> check_file(const fs::path& path, const Digest& name) {
    DBUILD_TRY_ASSIGN(const auto reader, PackReader::open(path));
    DBUILD_TRY_ASSIGN(const auto hash, reader.hash_file());
    if (hash != name) return fail(ErrorKind::corrupt, "its bytes do not match its name");
    DBUILD_TRY_ASSIGN(auto tables, reader.read_tables());
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
    return tables;
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

/// One pass over a layer that `read` hands on. Holds nothing if its bytes are no layer. Errors: those of `read`.
Result<std::optional<oci::LayerScan>> scan_pushed(const std::function<Status(const oci::ByteSink&)>& read) {
    std::optional<oci::LayerScan> found;
    DBUILD_TRY(oci::pull_what_is_pushed(read, [&](const oci::ByteSource& source) -> Status {
        if (auto scan = oci::scan_layer(source)) found = std::move(*scan);
        std::string rest(std::size_t{64} << 10, '\0'); // so that `read` comes to its check at the end
        for (;;) {
            DBUILD_TRY_ASSIGN(const auto count, source(rest.data(), rest.size()));
            if (count == 0) return {};
        }
    }));
    return found;
}

class Verification {
public:
    Verification(const LayerStore& layers, IndexCheck index, Repair repair)
        : layers_(layers), catalog_(layers.catalog()), index_(std::move(index)), repairs_(repair == Repair::yes) {}

    Status check_structure();
    Status check_pack(const CatalogPack& pack);
    Status check_layer(const CatalogLayer& layer);
    Status check_blob(const fs::path& path, const Digest& digest);
    Status check_contents();
    VerifyResult take_result() { return std::move(result_); }

private:
    template <class... Arguments>
    void note(fmt::format_string<Arguments...> text, Arguments&&... arguments) {
        result_.problems.push_back(fmt::format(text, std::forward<Arguments>(arguments)...));
    }
    Status check_rows(const oci::LayerScan& scan);

    const LayerStore& layers_;
    Catalog& catalog_;
    IndexCheck index_;
    const bool repairs_;
    std::set<Digest> looked_into_; // layers whose bytes were there to compare with
    VerifyResult result_;
};

Status Verification::check_structure() {
    DBUILD_TRY_ASSIGN(const auto problems, index_.structure());
    for (const auto& problem : problems) note("index: {}", problem);
    if (!problems.empty() && repairs_) DBUILD_TRY(index_.reindex());
    DBUILD_TRY_ASSIGN(const auto homeless, index_.layers_without_pack());
    for (const auto& diff_id : homeless)
        note("layer {}: the index names a pack for it that there is not", diff_id.to_string());
    return repairs_ ? catalog_.forget_layers(homeless) : Status();
}

Status Verification::check_pack(const CatalogPack& pack) {
    ++result_.packs;
    const auto path = pack_path(layers_.root(), pack.name);
    const auto tables = check_file(path, pack.name);
    if (!tables) {
        note("pack {}: {}", pack.name.hex(), tables.error().message);
        if (!repairs_) return {};
        DBUILD_TRY(catalog_.forget_pack(pack.name));
        ::unlink(path.c_str());
        return {};
    }
    std::error_code unseen; // the pack was read a moment ago
    DBUILD_TRY_ASSIGN(const auto problem, index_.problem_with_pack(pack.name, fs::file_size(path, unseen), *tables));
    if (problem.empty()) return {};
    note("pack {}: {}", pack.name.hex(), problem);
    if (!repairs_) return {};
    DBUILD_TRY(catalog_.retire_pieces(pack.name));
    DBUILD_TRY(adopt_pack(layers_, path));
    return {};
}

/// What the index says of a layer, held against the layer itself.
Status Verification::check_rows(const oci::LayerScan& scan) {
    looked_into_.insert(scan.diff_id);
    DBUILD_TRY_ASSIGN(const auto problem, index_.problem_with_layer(scan));
    if (!problem.empty()) {
        note("layer {}: {}", scan.diff_id.to_string(), problem);
        if (repairs_) DBUILD_TRY(index_.correct_contents(scan));
    }
    DBUILD_TRY_ASSIGN(const auto wrong, index_.steps_of_other_content(scan));
    for (const auto& key : wrong)
        note("step {}: its content ID is not that of its layer {}", key.hex(), scan.diff_id.to_string());
    return repairs_ ? index_.forget_steps(wrong) : Status();
}

Status Verification::check_layer(const CatalogLayer& layer) {
    ReadProblem where;
    const auto scan = scan_pushed([&](const oci::ByteSink& sink) {
        return read_packed_layer(layers_.root(), catalog_, layer.diff_id, sink, where);
    });
    if (!scan && repairs_ && scan.error().kind == ErrorKind::not_found) return {}; // went with its pack
    ++result_.layers;
    if (scan && *scan) return check_rows(**scan);
    note("layer {}: {}", layer.diff_id.to_string(), scan ? "no tar" : scan.error().message);
    return repairs_ ? catalog_.forget_layers({&layer.diff_id, 1}) : Status();
}

Status Verification::check_blob(const fs::path& path, const Digest& digest) {
    ++result_.blobs;
    const auto scan = scan_pushed([&](const oci::ByteSink& sink) { return read_layer_file(path, digest, sink); });
    if (scan) return *scan ? check_rows(**scan) : Status(); // what is no layer is what it was brought as
    note("blob {}: {}", digest.to_string(), scan.error().message);
    if (repairs_) ::unlink(path.c_str());
    return {};
}

/// Those of layers that are not here; all that there is to compare them with is their checksum.
Status Verification::check_contents() {
    DBUILD_TRY_ASSIGN(const auto damaged, index_.damaged_contents());
    for (const auto& diff_id : damaged) {
        if (looked_into_.contains(diff_id)) continue;
        note("layer {}: its table of contents is damaged", diff_id.to_string());
        if (repairs_) DBUILD_TRY(index_.forget_contents({&diff_id, 1}));
    }
    return {};
}

} // namespace

Result<VerifyResult> verify(const LayerStore& layers, Repair repair, const WorkProgress& progress) {
    DBUILD_TRY(layers.flush());
    DBUILD_TRY_ASSIGN(const auto unlisted, unlisted_packs(layers));
    DBUILD_TRY_ASSIGN(auto index, IndexCheck::open(layers.root()));
    Verification verification(layers, std::move(index), repair);
    DBUILD_TRY(verification.check_structure());
    DBUILD_TRY_ASSIGN(const auto packs, layers.catalog().packs());
    DBUILD_TRY_ASSIGN(const auto stored, layers.catalog().layers());
    const auto blobs = blobs_below(layers.root());
    std::size_t done = 0;
    const auto step = [&] {
        if (progress) progress(++done, packs.size() + stored.size() + blobs.size());
    };
    for (const auto& pack : packs) {
        step();
        DBUILD_TRY(verification.check_pack(pack));
    }
    for (const auto& layer : stored) {
        step();
        DBUILD_TRY(verification.check_layer(layer));
    }
    for (const auto& [path, digest] : blobs) {
        step();
        DBUILD_TRY(verification.check_blob(path, digest));
    }
    DBUILD_TRY(verification.check_contents());
    auto result = verification.take_result();
    result.unlisted_packs = unlisted.size();
    return result;
}

} // namespace dbuild::cache::store
