// SPDX-License-Identifier: Apache-2.0
#include "executors/in_process/unpack.hpp"

#include <utility>
#include <vector>

namespace dbuild::executors::in_process {
namespace {

using cache::oci::EntryType;

std::string join(const std::string& folder, const std::string& name) {
    if (name.empty()) return folder;
    return folder.empty() ? name : folder + "/" + name;
}

class Unpacker {
public:
    Unpacker(std::string root, const std::optional<Owner>& owner, PendingLayer& layer,
             const ExistingFileReader& read_existing)
        : root_(std::move(root)), owner_(owner), layer_(layer), read_existing_(read_existing) {}

    Status add(const CopiedEntry& copied) {
        DBUILD_TRY_ASSIGN(const auto path, place_of(copied.entry.path));
        const auto existing = layer_.find(path);
        const bool is_merged =
            existing && existing->type == EntryType::directory && copied.entry.type == EntryType::directory;
        if (path == root_ && !is_merged)
            return fail(ErrorKind::step_failed, "cannot unpack: an entry replaces the destination");
        if (path.empty()) return {}; // layers say nothing of the root folder
        if (existing && !is_merged) layer_.remove(path);
        auto entry = copied.entry;
        entry.path = path;
        if (owner_) {
            entry.uid = owner_->uid;
            entry.gid = owner_->gid;
        }
        if (entry.type == EntryType::hard_link) {
            DBUILD_TRY_ASSIGN(entry.link_target, place_of(entry.link_target));
            return layer_.link(entry, read_existing_);
        }
        if (entry.type == EntryType::directory) folders_.emplace_back(path, entry.mtime_seconds);
        layer_.put(std::move(entry), {}, copied.body);
        return {};
    }

    /// Folders get their times when nothing in them changes any more.
    void finish() {
        for (const auto& [path, mtime] : folders_)
            if (layer_.is_directory(path)) layer_.set_time(path, mtime);
    }

private:
    /// Where an entry of that name stands: links in the folders above it are followed, it is not. Missing folders are
    /// made, but not those that a link names.
    Result<std::string> place_of(const std::string& name) {
        auto folder = root_;
        std::size_t begin = 0;
        for (auto slash = name.find('/'); slash != name.npos; slash = name.find('/', begin)) {
            const auto next = join(folder, name.substr(begin, slash - begin));
            begin = slash + 1;
            const auto entry = layer_.find(next);
            const bool is_link = entry && entry->type == EntryType::symlink;
            DBUILD_TRY_ASSIGN(
                folder, layer_.resolve(std::string_view(next).substr(root_.empty() ? 0 : root_.size() + 1), root_));
            if (is_link && !layer_.is_directory(folder))
                return fail(ErrorKind::step_failed, "cannot unpack " + name + ": /" + next + " is a link to no folder");
            DBUILD_TRY(layer_.make_directories(folder, Owner{}));
        }
        return join(folder, name.substr(begin));
    }

    std::string root_;
    const std::optional<Owner>& owner_;
    PendingLayer& layer_;
    const ExistingFileReader& read_existing_;
    std::vector<std::pair<std::string, std::int64_t>> folders_;
};

} // namespace

Status unpack(std::span<const CopiedEntry> entries, const std::string& destination, const std::optional<Owner>& owner,
              PendingLayer& layer, const ExistingFileReader& read_existing) {
    DBUILD_TRY_ASSIGN(const auto root, layer.resolve(destination));
    DBUILD_TRY(layer.make_directories(root, owner.value_or(Owner{})));
    Unpacker unpacker(root, owner, layer, read_existing);
    for (const auto& copied : entries) DBUILD_TRY(unpacker.add(copied));
    unpacker.finish();
    return {};
}

} // namespace dbuild::executors::in_process
