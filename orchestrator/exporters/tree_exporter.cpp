// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/exporters/tree_exporter.hpp"

#include "cache/oci/tar_header.hpp"
#include "executors/in_process/layer_writer.hpp"
#include "orchestrator/exporters/folder_writer.hpp"
#include "orchestrator/output_file.hpp"
#include "orchestrator/root_files.hpp"

#include <algorithm>
#include <map>

namespace dbuild::orchestrator::exporters {
namespace {

namespace oci = cache::oci;
using cache::oci::EntryType;
using executors::in_process::CopiedEntry;
using executors::in_process::LayerFiles;

/// All but the root, as a walk comes to them.
std::vector<CopiedEntry> walk(const LayerFiles& files, const std::optional<Instant>& time) {
    std::vector<CopiedEntry> entries;
    for (const auto& [path, entry] : files.tree().entries()) {
        if (path.empty()) continue;
        entries.push_back(files.entry(path));
        if (time)
            entries.back().entry.mtime_seconds =
                std::chrono::floor<std::chrono::seconds>(time->time_since_epoch()).count();
    }
    std::sort(entries.begin(), entries.end(),
              [](const auto& a, const auto& b) { return oci::is_walked_before(a.entry.path, b.entry.path); });
    return entries;
}

bool has_bytes(const CopiedEntry& file) { return file.entry.type == EntryType::file && file.entry.size > 0; }

std::vector<CopiedEntry*> files_with_bytes(std::vector<CopiedEntry>& entries) {
    std::vector<CopiedEntry*> files;
    for (auto& copied : entries)
        if (has_bytes(copied)) files.push_back(&copied);
    return files;
}

std::vector<std::string> paths_of(std::span<CopiedEntry* const> entries) {
    std::vector<std::string> paths;
    for (const auto* copied : entries) paths.push_back(copied->entry.path);
    return paths;
}

Status write_folder(std::vector<CopiedEntry> entries, const LayerFiles& files, const executors::LayerReader& read_layer,
                    const std::filesystem::path& path) {
    DBUILD_TRY_ASSIGN(auto folder, FolderWriter::open(path));
    std::map<std::string, std::vector<CopiedEntry*>> empty_files; // with several names, by link group
    for (auto& copied : entries) {
        if (has_bytes(copied)) continue;
        if (copied.link_group.empty())
            DBUILD_TRY(folder.add(copied.entry));
        else
            empty_files[copied.link_group].push_back(&copied);
    }
    std::vector<std::string> names; // of the file that is being written
    const auto end_file = [&]() -> Status {
        return names.empty() ? Status() : folder.end_file(std::span(names).subspan(1));
    };
    for (const auto& [group, found] : empty_files) {
        names = paths_of(found);
        DBUILD_TRY(folder.begin_file(found.front()->entry));
        DBUILD_TRY(end_file());
    }
    names.clear();
    const auto write = [&](std::span<CopiedEntry* const> found, std::string_view bytes) -> Status {
        if (names.empty() || names.front() != found.front()->entry.path) {
            DBUILD_TRY(end_file());
            names = paths_of(found);
            DBUILD_TRY(folder.begin_file(found.front()->entry));
        }
        return folder.append(bytes);
    };
    DBUILD_TRY(files.read(files_with_bytes(entries), read_layer, write));
    DBUILD_TRY(end_file());
    return folder.finish();
}

Status write_tar(std::vector<CopiedEntry> entries, const LayerFiles& files, const executors::LayerReader& read_layer,
                 const oci::ByteSink& sink) {
    DBUILD_TRY(files.load(files_with_bytes(entries), read_layer));
    std::map<std::string, std::string> first_names; // by link group
    for (auto& [entry, link_group, body, is_on_the_way] : entries) {
        if (!link_group.empty()) {
            const auto [first, is_first] = first_names.emplace(link_group, entry.path);
            if (!is_first) {
                entry.type = EntryType::hard_link;
                entry.link_target = first->second;
            }
        }
        DBUILD_TRY(sink(executors::in_process::layer_header(entry)));
        if (entry.type != EntryType::file || entry.size == 0) continue;
        DBUILD_TRY(body(sink));
        DBUILD_TRY(sink(oci::tar_padding(entry.size)));
    }
    return sink(std::string(oci::k_tar_end_bytes, '\0'));
}

} // namespace

Status export_tree(const Parts& parts, const AssembledImage& image, TreeForm form, const std::filesystem::path& path) {
    std::vector<Digest> blobs;
    for (const auto& layer : image.root.layers) blobs.push_back(layer.descriptor.digest);
    parts.layers->bring(blobs);
    DBUILD_TRY_ASSIGN(const auto files, open_root_files(*parts.index, image.root.layers));
    auto entries = walk(files, image.epoch);
    const executors::LayerReader read_layer = [&](const Digest& blob, const oci::ByteSink& sink) {
        return parts.layers->read(blob, sink);
    };
    if (form == TreeForm::folder) return write_folder(std::move(entries), files, read_layer, path);
    DBUILD_TRY_ASSIGN(auto file, OutputFile::open(path));
    DBUILD_TRY(
        write_tar(std::move(entries), files, read_layer, [&](std::string_view bytes) { return file.write(bytes); }));
    return file.commit();
}

} // namespace dbuild::orchestrator::exporters
