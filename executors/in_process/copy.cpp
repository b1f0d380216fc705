// SPDX-License-Identifier: Apache-2.0
#include "executors/in_process/copy.hpp"

#include "executors/in_process/archive.hpp"
#include "executors/in_process/unpack.hpp"

#include <utility>

namespace dbuild::executors::in_process {
namespace {

using cache::oci::EntryType;
using cache::oci::LayerEntry;
using cache::oci::parent_path;

std::string join(const std::string& folder, std::string_view name) {
    if (name.empty()) return folder;
    return folder.empty() ? std::string(name) : folder + "/" + std::string(name);
}

class Copier {
public:
    Copier(const CopyRequest& request, PendingLayer& layer) : request_(request), layer_(layer) {}

    Status copy(const CopySource& source, std::string number) {
        number_ = std::move(number);
        const auto& top = source.entries.front().entry;
        DBUILD_TRY_ASSIGN(const auto target, target_of(source));
        std::vector<std::pair<std::string, std::int64_t>> folders;
        for (const auto& copied : source.entries) {
            const bool is_top = &copied == &source.entries.front();
            const auto name = std::string_view(copied.entry.path).substr(is_top ? top.path.size() : below(top.path));
            const auto path = join(target, name);
            if (copied.entry.type == EntryType::directory) {
                DBUILD_TRY(put_folder(copied, path, is_top));
                if (!copied.is_on_the_way) folders.emplace_back(path, copied.entry.mtime_seconds);
            } else {
                DBUILD_TRY(put_file(copied, path));
            }
        }
        for (const auto& [path, mtime] : folders) layer_.set_time(path, mtime);
        return {};
    }

private:
    static std::size_t below(const std::string& folder) { return folder.empty() ? 0 : folder.size() + 1; }

    /// The path that the source itself gets; its folder exists afterwards. A link that is the destination is followed,
    /// one that stands where a file of a copied folder goes is replaced.
    Result<std::string> target_of(const CopySource& source) {
        const auto owner = request_.owner.value_or(Owner{});
        const auto& destination = request_.destination;
        DBUILD_TRY_ASSIGN(const auto folder, layer_.resolve(destination.substr(0, destination.rfind('/') + 1)));
        DBUILD_TRY(layer_.make_directories(folder, owner));
        DBUILD_TRY_ASSIGN(auto target, layer_.resolve(destination));
        const bool is_folder = source.entries.front().entry.type == EntryType::directory;
        if (!is_folder && layer_.is_directory(target)) target = join(target, source.base_name);
        // With the mode of made folders, not with the source's.
        const bool is_made = is_folder && !source.becomes_destination && !layer_.find(target);
        DBUILD_TRY(layer_.make_directories(is_made ? target : parent_path(target), owner));
        return target;
    }

    LayerEntry entry_at(const CopiedEntry& copied, const std::string& path) const {
        auto entry = copied.entry;
        entry.path = path;
        if (request_.owner) {
            entry.uid = request_.owner->uid;
            entry.gid = request_.owner->gid;
        }
        if (request_.mode && entry.type != EntryType::symlink)
            entry.mode = request_.mode->apply(entry.mode, entry.type == EntryType::directory);
        return entry;
    }

    /// The folder that the copy goes to keeps what it has; those below it take over the source's attributes.
    Status put_folder(const CopiedEntry& copied, const std::string& path, bool is_top) {
        const auto existing = layer_.find(path);
        if (existing && existing->type != EntryType::directory)
            return fail(ErrorKind::step_failed, "cannot copy to non-directory: /" + path);
        if (existing && is_top) return {};
        if (existing && copied.is_on_the_way) {
            auto kept = *existing;
            kept.mode = copied.entry.mode;
            layer_.put(std::move(kept));
            return {};
        }
        return put(copied, path);
    }

    Status put_file(const CopiedEntry& copied, const std::string& path) {
        if (layer_.is_directory(path))
            return fail(ErrorKind::step_failed, "cannot replace to directory /" + path + " with file");
        return put(copied, path);
    }

    Status put(const CopiedEntry& copied, const std::string& path) {
        DBUILD_TRY(
            layer_.make_directories(parent_path(path), Owner{})); // a layer may leave out the folders of its files
        layer_.put(entry_at(copied, path), copied.link_group.empty() ? "" : number_ + copied.link_group, copied.body);
        return {};
    }

    const CopyRequest& request_;
    PendingLayer& layer_;
    std::string number_; // of the source: hard links are kept within one
};

} // namespace

Status copy(const CopyRequest& request, PendingLayer& layer, const ExistingFileReader& read_existing) {
    Copier copier(request, layer);
    int number = 0;
    for (const auto& source : request.sources) {
        if (source.archive) {
            DBUILD_TRY_ASSIGN(const auto entries, read_archive(*source.archive, source.entries.front().entry.content));
            DBUILD_TRY(unpack(entries, request.destination, request.owner, layer, read_existing));
        } else {
            DBUILD_TRY(copier.copy(source, std::to_string(number++) + ":"));
        }
    }
    return {};
}

Status make_working_directory(const std::string& path, Owner owner, PendingLayer& layer) {
    DBUILD_TRY_ASSIGN(const auto folder, layer.resolve(path));
    return layer.make_directories(folder, owner);
}

} // namespace dbuild::executors::in_process
