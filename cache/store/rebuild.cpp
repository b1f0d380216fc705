// SPDX-License-Identifier: Apache-2.0
#include "cache/store/rebuild.hpp"

#include "cache/oci/byte_source.hpp"
#include "cache/store/catalog.hpp"

#include <algorithm>
#include <set>
#include <unistd.h>

namespace fs = std::filesystem;

namespace dbuild::cache::store {
Result<std::vector<fs::path>> unlisted_packs(const LayerStore& layers) {
    DBUILD_TRY_ASSIGN(const auto packs, layers.catalog().packs());
    std::set<Digest> listed;
    for (const auto& pack : packs) listed.insert(pack.name);
    std::vector<fs::path> unlisted;
    DBUILD_TRY_ASSIGN(const auto folders, list_folder(layers.root() / "packs"));
    for (const auto& folder : folders) {
        DBUILD_TRY_ASSIGN(const auto paths, list_folder(folder));
        for (const auto& path : paths)
            if (const auto name = pack_name(path); name && !listed.contains(*name)) unlisted.push_back(path);
    }
    // The older ones first: a pack needs none that was written after it.
    std::sort(unlisted.begin(), unlisted.end(), [](const fs::path& a, const fs::path& b) {
        std::error_code ignored;
        return std::pair(fs::last_write_time(a, ignored), a) < std::pair(fs::last_write_time(b, ignored), b);
    });
    return unlisted;
}

Result<std::vector<Digest>> adopt_pack(const LayerStore& layers, const fs::path& path) {
    const auto name = pack_name(path);
    if (!name) return fail(ErrorKind::internal, "no pack's name: " + path.string());
    const auto read = [&]() -> Result<PackWriter::Finished> {
        DBUILD_TRY_ASSIGN(const auto reader, PackReader::open(path));
        DBUILD_TRY_ASSIGN(const auto hash, reader.hash_file());
        if (hash != *name) return fail(ErrorKind::corrupt, "pack: does not match its name: " + path.string());
        DBUILD_TRY_ASSIGN(auto tables, reader.read_tables());
        return PackWriter::Finished{*name, reader.bytes(), std::move(tables)};
    };
    const auto pack = read();
    if (!pack) {
        if (pack.error().kind == ErrorKind::corrupt) ::unlink(path.c_str());
        return fail(pack.error());
    }
    DBUILD_TRY_ASSIGN(const auto left_out, layers.catalog().record_pack(*pack));
    DBUILD_TRY(layers.catalog().record_steps(pack->tables.steps));
    std::vector<Digest> found;
    for (const auto& layer : pack->tables.layers)
        if (std::find(left_out.begin(), left_out.end(), layer.diff_id) == left_out.end())
            found.push_back(layer.diff_id);
    return found;
}

Status record_contents(const LayerStore& layers, Index& index, const Digest& diff_id) {
    DBUILD_TRY_ASSIGN(const auto known, index.find_layer(diff_id));
    if (known) return {};
    oci::LayerScan scan;
    DBUILD_TRY(oci::pull_what_is_pushed([&](const oci::ByteSink& sink) { return layers.read(diff_id, sink); },
                                        [&](const oci::ByteSource& source) -> Status {
                                            DBUILD_TRY_ASSIGN(scan, oci::scan_layer(source));
                                            return {};
                                        }));
    return index.record_layer(scan.diff_id, {scan.size, false}, scan.contents);
}

Result<RebuildResult> rebuild_index(const LayerStore& layers, const WorkProgress& progress) {
    RebuildResult result;
    DBUILD_TRY_ASSIGN(const auto paths, unlisted_packs(layers));
    for (const auto& path : paths) {
        if (progress) progress(result.packs + result.damaged_packs, paths.size());
        const auto found = adopt_pack(layers, path);
        if (found)
            ++result.packs;
        else if (found.error().kind == ErrorKind::corrupt)
            ++result.damaged_packs;
        else
            return fail(found.error());
    }
    DBUILD_TRY_ASSIGN(auto index, Index::open(layers.root()));
    DBUILD_TRY_ASSIGN(const auto listed, layers.catalog().layers());
    for (const auto& layer : listed) {
        if (progress) progress(result.layers, listed.size());
        Status done = record_contents(layers, index, layer.diff_id);
        if (done) ++result.layers;
        if (!done && done.error().kind != ErrorKind::corrupt) return fail(std::move(done).error());
    }
    if (progress) progress(listed.size(), listed.size());
    return result;
}

} // namespace dbuild::cache::store
