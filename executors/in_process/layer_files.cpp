// SPDX-License-Identifier: Apache-2.0
#include "executors/in_process/layer_files.hpp"

#include "cache/oci/byte_source.hpp"
#include "executors/in_process/scratch_file.hpp"

#include <fmt/format.h>

#include <set>

namespace dbuild::executors::in_process {
namespace {

using cache::oci::ByteSource;
using cache::oci::EntryType;

Status scan_pushed(const LayerReader& read_layer, const Digest& blob, const cache::oci::FileSink& files) {
    return cache::oci::pull_what_is_pushed([&](const cache::oci::ByteSink& sink) { return read_layer(blob, sink); },
                                           [&](const ByteSource& source) -> Status {
                                               DBUILD_TRY(cache::oci::scan_layer(source, nullptr, files));
                                               return {};
                                           });
}

} // namespace

void LayerFiles::apply(const Digest& blob, const cache::oci::TableOfContents& contents) {
    const auto layer = blobs_.size();
    blobs_.push_back(blob);
    tree_.apply(contents);
    for (const auto& entry : contents.entries) {
        if (entry.is_whiteout()) continue;
        Origin origin{layer, entry.path};
        if (entry.type == EntryType::hard_link) {
            const auto target = origins_.find(entry.link_target);
            if (target == origins_.end()) continue;
            origin = target->second;
        } else if (entry.type != EntryType::file) {
            continue;
        }
        ++names_[origin];
        origins_.insert_or_assign(entry.path, std::move(origin));
    }
}

CopiedEntry LayerFiles::entry(const std::string& path) const {
    CopiedEntry copied;
    copied.entry = *tree_.find(path);
    const auto origin = origins_.find(path);
    if (copied.entry.type == EntryType::file && origin != origins_.end() && names_.at(origin->second) > 1)
        copied.link_group = fmt::format("{}.{}", origin->second.layer, origin->second.path);
    return copied;
}

Status LayerFiles::read(std::span<CopiedEntry* const> files, const LayerReader& read_layer,
                        const NamesSink& sink) const {
    std::map<std::size_t, std::map<std::string, std::vector<CopiedEntry*>, std::less<>>>
        wanted; // by layer and path in it
    for (auto* copied : files) {
        if (copied->entry.type != EntryType::file || copied->entry.size == 0) continue;
        const auto origin = origins_.find(copied->entry.path);
        if (origin == origins_.end())
            return fail(ErrorKind::corrupt, "no layer has the bytes of /" + copied->entry.path);
        wanted[origin->second.layer][origin->second.path].push_back(copied);
    }
    for (const auto& [layer, paths] : wanted) {
        std::set<std::string_view> found;
        DBUILD_TRY(
            scan_pushed(read_layer, blobs_[layer], [&](const std::string& path, std::string_view bytes) -> Status {
                const auto names = paths.find(path);
                if (names == paths.end()) return {};
                found.insert(names->first);
                return sink(names->second, bytes);
            }));
        for (const auto& [path, names] : paths)
            if (!found.contains(path)) return fail(ErrorKind::corrupt, "a layer lacks the bytes of /" + path);
    }
    return {};
}

Status LayerFiles::load(std::span<CopiedEntry* const> files, const LayerReader& read_layer) const {
    std::shared_ptr<ScratchFile> scratch; // none for empty files
    const CopiedEntry* last = nullptr;
    return read(files, read_layer, [&](std::span<CopiedEntry* const> names, std::string_view bytes) -> Status {
        if (!scratch) {
            DBUILD_TRY_ASSIGN(scratch, ScratchFile::create());
        }
        if (names.front() != last)
            for (auto* copied : names) copied->body = scratch->reader(scratch->size(), copied->entry.size);
        last = names.front();
        return scratch->append(bytes);
    });
}

} // namespace dbuild::executors::in_process
