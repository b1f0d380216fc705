// SPDX-License-Identifier: Apache-2.0
#include "cache/remote/remote_layers.hpp"

#include "cache/store/catalog.hpp"
#include "cache/store/layer_reader.hpp"
#include "cache/store/rebuild.hpp"
#include "cache/store/recipe.hpp"
#include "support/files.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>

namespace fs = std::filesystem;

namespace dbuild::cache::remote {
namespace {

// Ranges as ../reference/storage.md §6 found them to pay: a gap of 256 KiB costs less than another request.
constexpr std::uint64_t k_range_bytes = 8u << 20, k_gap_bytes = 256u << 10;
constexpr std::size_t k_parallel_ranges = 4;

struct Range {
    std::uint64_t offset = 0, count = 0;
};

Status write_at(int fd, std::string_view bytes, std::uint64_t offset) {
    while (!bytes.empty()) {
        const auto count = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0)
            return fail(ErrorKind::unavailable, std::string("cannot write a fetched pack: ") + std::strerror(errno));
        bytes.remove_prefix(static_cast<std::size_t>(count));
        offset += static_cast<std::uint64_t>(count);
    }
    return {};
}

/// Fetches ranges of a pack to their places in a file, several at once. Errors: not_found — the pack is gone, or
/// shorter.
Status fetch_ranges(Backend& backend, const Digest& pack, const std::vector<Range>& ranges, int fd) {
    std::atomic<std::size_t> next = 0;
    std::mutex mutex;
    Status first_failure;
    const auto fetch_one = [&](const Range& range) -> Status {
        DBUILD_TRY_ASSIGN(const auto bytes, backend.read_pack(pack, range.offset, range.count));
        if (!bytes || bytes->size() != range.count)
            return fail(ErrorKind::not_found, "pack " + pack.hex() + " is gone from the remote");
        return write_at(fd, *bytes, range.offset);
    };
    const auto work = [&] {
        for (std::size_t i = next++; i < ranges.size(); i = next++) {
            Status done = fetch_one(ranges[i]);
            if (done) continue;
            const std::lock_guard lock(mutex);
            if (first_failure) first_failure = std::move(done);
            next = ranges.size();
        }
    };
    {
        std::vector<std::jthread> helpers;
        for (std::size_t i = 1; i < std::min(k_parallel_ranges, ranges.size()); ++i) helpers.emplace_back(work);
        work();
    }
    return first_failure;
}

/// The whole file, in parts.
std::vector<Range> all_of(std::uint64_t bytes) {
    std::vector<Range> ranges;
    for (std::uint64_t at = 0; at < bytes; at += k_range_bytes)
        ranges.push_back({at, std::min(k_range_bytes, bytes - at)});
    return ranges;
}

} // namespace

/// A pack of which some blocks are here: a file in memory with holes, where the pack has bytes that nobody wanted.
class RemoteLayers::PartialPack {
public:
    static Result<PartialPack> create(const Digest& name, Pack pack) {
        Fd fd(::memfd_create("dbuild-pack", MFD_CLOEXEC));
        if (!fd.is_open()) return fail(ErrorKind::unavailable, "no memory for a fetched pack");
        return PartialPack(name, std::move(pack), std::move(fd));
    }

    /// Errors: corrupt — no such block; as fetch_ranges.
    Status fetch(std::set<std::uint32_t> blocks) {
        std::vector<Range> ranges;
        for (const auto number : blocks) {
            if (number >= pack_.description.blocks.size())
                return fail(ErrorKind::corrupt, "pack " + name_.hex() + " has no such block");
            if (!present_.insert(number).second) continue;
            const auto& block = pack_.description.blocks[number];
            auto* const last = ranges.empty() ? nullptr : &ranges.back();
            if (last && block.offset - (last->offset + last->count) <= k_gap_bytes &&
                block.offset + block.stored_bytes - last->offset <= k_range_bytes)
                last->count = block.offset + block.stored_bytes - last->offset;
            else
                ranges.push_back({block.offset, block.stored_bytes});
        }
        return fetch_ranges(*pack_.backend, name_, ranges, fd_.get());
    }

    Result<store::PackReader> reader() const {
        Fd fd(::dup(fd_.get()));
        if (!fd.is_open()) return fail(ErrorKind::unavailable, "no descriptor for a fetched pack");
        return store::PackReader::of_blocks("pack " + name_.hex(), std::move(fd), pack_.description.blocks,
                                            pack_.description.bytes);
    }

private:
    PartialPack(const Digest& name, Pack pack, Fd fd) : name_(name), pack_(std::move(pack)), fd_(std::move(fd)) {}
    Digest name_;
    Pack pack_;
    Fd fd_;
    std::set<std::uint32_t> present_;
};

void RemoteLayers::add(Backend& backend, const ScopeIndex& index) {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, pack] : index.packs) packs_.try_emplace(name, Pack{&backend, pack});
    for (const auto& [diff_id, place] : restorable_layers(index))
        known_.try_emplace(diff_id, Layer{place.pack, *place.layer});
}

void RemoteLayers::add_rest() {
    std::call_once(rest_is_added_, [this] {
        if (add_rest_) add_rest_();
    });
}

bool RemoteLayers::has(const Digest& diff_id) {
    add_rest();
    const std::lock_guard lock(mutex_);
    return known_.contains(diff_id);
}

std::vector<RemoteLayers::Layer> RemoteLayers::known_of(std::span<const Digest> diff_ids) {
    const std::lock_guard lock(mutex_);
    std::vector<Layer> layers;
    for (const auto& diff_id : diff_ids)
        if (const auto found = known_.find(diff_id); found != known_.end()) layers.push_back(found->second);
    return layers;
}

std::set<Digest> RemoteLayers::packs_of(const Layer& layer) {
    std::set<Digest> packs{layer.pack};
    for (const auto& need : layer.record.packs) packs.insert(need.pack.is_zero() ? layer.pack : need.pack);
    return packs;
}

bool RemoteLayers::is_here(const Digest& pack) const {
    std::error_code ignored;
    return fs::exists(store::pack_path(layers_.root(), pack), ignored);
}

void RemoteLayers::bring(std::span<const Digest> diff_ids) {
    add_rest();
    const std::lock_guard one_at_a_time(fetching_);
    const auto wanted = known_of(diff_ids);
    if (!layers_.catalog().is_private()) adopt_most_needed(wanted);
    for (const auto& layer : wanted) {
        const auto packed = layers_.catalog().find_layer(layer.record.diff_id);
        if (packed && *packed) continue; // came with a pack
        if (const auto done = restore(layer); !done) lose(layer, done.error());
    }
}

/// A pack at least half of which is needed.
void RemoteLayers::adopt_most_needed(const std::vector<Layer>& wanted) {
    std::map<Digest, std::uint64_t> wanted_bytes; // uncompressed, by pack
    for (const auto& layer : wanted)
        for (const auto& need : layer.record.packs)
            wanted_bytes[need.pack.is_zero() ? layer.pack : need.pack] += need.raw_bytes;
    std::map<Digest, Pack> chosen;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& [name, bytes] : wanted_bytes) {
            const auto& pack = packs_.at(name);
            std::uint64_t all = 0;
            for (const auto& block : pack.description.blocks) all += block.raw_bytes;
            if (bytes >= all / 2 && !is_here(name)) chosen.emplace(name, pack);
        }
    }
    // A layer is listed only if all its packs are: those first that others need.
    const auto needs_none = [&](const auto& item) {
        for (const auto& layer : item.second.description.layers)
            for (const auto& need : layer.packs)
                if (chosen.contains(need.pack)) return false;
        return true;
    };
    while (!chosen.empty()) {
        auto next = std::find_if(chosen.begin(), chosen.end(), needs_none);
        if (next == chosen.end()) next = chosen.begin();
        (void)adopt_whole(next->first, next->second); // otherwise its layers are tried one by one
        chosen.erase(next);
    }
}

/// Packs that it needs and that are not here leave its layers unlisted; each of those is restored by range then.
Status RemoteLayers::adopt_whole(const Digest& name, const Pack& pack) {
    const auto path = store::pack_path(layers_.root(), name);
    DBUILD_TRY(make_directories(path.parent_path()));
    DBUILD_TRY(make_directories(layers_.root() / "tmp"));
    DBUILD_TRY_ASSIGN(auto file, store::TemporaryFile::create(layers_.root() / "tmp"));
    DBUILD_TRY(fetch_ranges(*pack.backend, name, all_of(pack.description.bytes), file.fd()));
    DBUILD_TRY(file.commit(path));
    DBUILD_TRY(store::adopt_pack(layers_, path)); // checks it
    return {};
}

/// Recipe first, then the blocks that it names; then the tar goes into the store, which checks it.
Status RemoteLayers::restore(const Layer& layer) {
    std::map<Digest, PartialPack> partial;
    std::vector<Digest> names; // as the recipe numbers them
    for (const auto& need : layer.record.packs) names.push_back(need.pack.is_zero() ? layer.pack : need.pack);
    for (const auto& name : packs_of(layer)) {
        Pack pack;
        {
            const std::lock_guard lock(mutex_);
            pack = packs_.at(name);
        }
        DBUILD_TRY_ASSIGN(auto created, PartialPack::create(name, std::move(pack)));
        partial.emplace(name, std::move(created));
    }
    const auto fetch = [&](const std::map<std::uint32_t, std::set<std::uint32_t>>& blocks) -> Status {
        for (const auto& [position, numbers] : blocks) {
            if (position >= names.size())
                return fail(ErrorKind::corrupt, "a recipe names a pack that its layer does not");
            DBUILD_TRY(partial.at(names[position]).fetch(numbers));
        }
        return {};
    };
    std::map<std::uint32_t, std::set<std::uint32_t>> blocks;
    for (const auto& place : layer.record.recipe) blocks[place.pack].insert(place.block);
    DBUILD_TRY(fetch(blocks));
    blocks.clear();
    ZstdFrames frames;
    for (const auto& place : layer.record.recipe) {
        DBUILD_TRY_ASSIGN(const auto reader, partial.at(names[place.pack]).reader());
        DBUILD_TRY_ASSIGN(const auto segment, reader.read_block(place.block, frames));
        DBUILD_TRY_ASSIGN(const auto parts, store::read_segment(segment));
        for (const auto& part : parts)
            if (part.kind == store::RecipePart::Kind::piece) blocks[part.piece.pack].insert(part.piece.block);
    }
    DBUILD_TRY(fetch(blocks));

    DBUILD_TRY_ASSIGN(const auto folder, TempDir::create("dbuild-fetched"));
    const auto path = folder.path() / "layer.tar";
    {
        DBUILD_TRY_ASSIGN(auto file, store::TemporaryFile::create(folder.path()));
        store::ReadProblem problem;
        DBUILD_TRY(store::restore_layer(
            layer.record, layer.pack, [&](const Digest& name) { return partial.at(name).reader(); },
            [&](std::string_view bytes) { return file.write(bytes); }, problem));
        DBUILD_TRY(file.publish(path));
    }
    DBUILD_TRY(layers_.put_file(path, layer.record.diff_id));
    return {};
}

/// The layer is a miss from now on. Whatever else went with its packs had better be known before something is run.
void RemoteLayers::lose(const Layer& layer, const Error& why) {
    {
        const std::lock_guard lock(mutex_);
        if (known_.erase(layer.record.diff_id) == 0) return;
        if (lost_layers_++ == 0) warnings_.push_back("remote cache: " + why.message + "; what needs it is made again");
        if (why.kind == ErrorKind::corrupt) damaged_packs_.merge(packs_of(layer)); // one of them
    }
    check_all_packs();
}

void RemoteLayers::check_all_packs() {
    std::map<Backend*, std::vector<Digest>> asked;
    std::set<Digest> unusable;
    {
        const std::lock_guard lock(mutex_);
        unusable = damaged_packs_;
        for (const auto& [name, pack] : packs_) asked[pack.backend].push_back(name);
    }
    for (const auto& [backend, names] : asked) {
        const auto found = backend->find_packs(names);
        const std::lock_guard lock(mutex_);
        for (const auto& name : names) {
            if (found && std::find(found->begin(), found->end(), name) != found->end()) continue;
            unusable.insert(name);
            if (found) gone_packs_.insert(name); // else nobody knows
        }
    }
    const std::lock_guard lock(mutex_);
    lost_layers_ += std::erase_if(known_, [&](const auto& layer) {
        const auto needed = packs_of(layer.second);
        return std::any_of(needed.begin(), needed.end(), [&](const Digest& pack) { return unusable.contains(pack); });
    });
}

std::set<Digest> RemoteLayers::bad_packs() {
    const std::lock_guard lock(mutex_);
    auto packs = gone_packs_;
    packs.insert(damaged_packs_.begin(), damaged_packs_.end());
    return packs;
}

void RemoteLayers::add_warning(std::string text) {
    const std::lock_guard lock(mutex_);
    warnings_.push_back(std::move(text));
}

std::vector<std::string> RemoteLayers::take_warnings() {
    const std::lock_guard lock(mutex_);
    return std::exchange(warnings_, {});
}

} // namespace dbuild::cache::remote
