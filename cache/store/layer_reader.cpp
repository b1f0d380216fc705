// SPDX-License-Identifier: Apache-2.0
#include "cache/store/layer_reader.hpp"

#include "cache/store/recipe.hpp"

#include <algorithm>
#include <list>
#include <map>
#include <thread>

namespace fs = std::filesystem;

namespace dbuild::cache::store {
namespace {

constexpr std::size_t k_chunk_bytes = 1u << 18; // fits the second-level cache: hashed while still there
constexpr std::size_t k_max_cached_blocks = 64;
constexpr std::size_t k_blocks_ahead = 8; // enough for each thread to have one when a slow one holds up the order

/// The blocks of the packs that a layer needs, decompressed ahead in threads; those used last stay in memory.
class BlockCache {
public:
    BlockCache(PackOpener open, std::vector<Digest> packs, ReadProblem& problem)
        : open_(std::move(open)), names_(std::move(packs)), readers_(names_.size()), problem_(problem),
          pool_(std::clamp(std::thread::hardware_concurrency(), 1u, 4u)) {}

    /// It will be wanted soon. What is wrong with it is said when it is.
    void expect(BlockPlace place) { (void)find_or_start(place); }

    /// Valid as long as whoever wants it holds it.
    Result<std::shared_ptr<const std::string>> block(BlockPlace place) {
        auto read = wait_for(place);
        if (read) return read;
        const auto kind = read.error().kind;
        if (place.pack < names_.size() && (kind == ErrorKind::corrupt || kind == ErrorKind::not_found))
            problem_.bad_pack = names_[place.pack];
        return fail(kind == ErrorKind::not_found ? ErrorKind::corrupt : kind, read.error().message);
    }

private:
    struct Entry {
        std::future<Result<std::string>> coming; // until somebody waited for it
        std::shared_ptr<std::string> bytes;      // shared with the user of the present block
        std::list<BlockPlace>::iterator position;
    };

    Result<std::shared_ptr<const std::string>> wait_for(BlockPlace place) {
        DBUILD_TRY_ASSIGN(auto* const entry, find_or_start(place));
        if (entry->coming.valid()) {
            auto bytes = entry->coming.get();
            if (!bytes) {
                used_.erase(entry->position);
                blocks_.erase(place);
                return fail(std::move(bytes).error());
            }
            entry->bytes = std::make_shared<std::string>(std::move(*bytes));
        }
        return entry->bytes;
    }

    Result<Entry*> find_or_start(BlockPlace place) {
        if (const auto found = blocks_.find(place); found != blocks_.end()) {
            used_.splice(used_.begin(), used_, found->second.position);
            return &found->second;
        }
        DBUILD_TRY_ASSIGN(const auto* const reader, reader_of(place.pack));
        const auto memory = std::make_shared<std::string>(memory_of_oldest()); // a std::function must be copyable
        auto coming = pool_.run([reader, number = place.block, memory](ZstdFrames& frames) {
            return reader->read_block(number, frames, std::move(*memory));
        });
        used_.push_front(place);
        return &blocks_.emplace(place, Entry{std::move(coming), nullptr, used_.begin()}).first->second;
    }

    /// Makes room where there is none. Out: what can be used again, or an empty string.
    std::string memory_of_oldest() {
        if (blocks_.size() < k_max_cached_blocks) return {};
        const auto oldest = blocks_.find(used_.back());
        const auto bytes = std::move(oldest->second.bytes);
        blocks_.erase(oldest);
        used_.pop_back();
        return bytes && bytes.use_count() == 1 ? std::move(*bytes) : std::string();
    }

    Result<const PackReader*> reader_of(std::uint32_t pack) {
        if (pack >= names_.size())
            return fail(ErrorKind::corrupt, "pack: a recipe names a pack that its layer does not");
        auto& reader = readers_[pack];
        if (!reader) {
            DBUILD_TRY_ASSIGN(auto opened, open_(names_[pack]));
            reader.emplace(std::move(opened));
        }
        return &*reader;
    }

    PackOpener open_;
    std::vector<Digest> names_;
    std::vector<std::optional<PackReader>> readers_;
    ReadProblem& problem_;
    std::map<BlockPlace, Entry> blocks_;
    std::list<BlockPlace> used_; // last used first
    CompressionPool pool_;       // ends before what its threads read from
};

/// Carries out a recipe: hashes the bytes and hands them on.
class Restorer {
public:
    Restorer(BlockCache& blocks, std::uint64_t tar_bytes, const oci::ByteSink& sink)
        : blocks_(blocks), left_(tar_bytes), sink_(sink) {
        chunk_.reserve(k_chunk_bytes);
    }

    /// Out: what the bytes hash to.
    Result<Digest> run(const std::vector<BlockPlace>& recipe) {
        for (std::size_t i = 0; i < recipe.size(); ++i) {
            DBUILD_TRY_ASSIGN(const auto segment, blocks_.block(recipe[i]));
            if (i + 1 < recipe.size()) blocks_.expect(recipe[i + 1]);
            DBUILD_TRY_ASSIGN(const auto parts, read_segment(*segment));
            DBUILD_TRY(restore(parts));
        }
        if (left_ > 0) return fail(ErrorKind::corrupt, "pack: a recipe gives too few bytes");
        DBUILD_TRY(flush());
        return hasher_.finish();
    }

private:
    static BlockPlace block_of(const RecipePart& part) { return {part.piece.pack, part.piece.block}; }

    Status restore(const std::vector<RecipePart>& parts) {
        std::vector<BlockPlace> order; // in which the parts need blocks
        for (const auto& part : parts)
            if (part.kind == RecipePart::Kind::piece && (order.empty() || order.back() != block_of(part)))
                order.push_back(block_of(part));
        std::size_t next = 0;
        std::shared_ptr<const std::string> block; // shared with the cache, which may drop it
        for (const auto& part : parts) {
            if (part.kind == RecipePart::Kind::piece && (!block || order[next - 1] != block_of(part))) {
                for (auto i = next; i < std::min(next + k_blocks_ahead, order.size()); ++i) blocks_.expect(order[i]);
                DBUILD_TRY_ASSIGN(block, blocks_.block(order[next]));
                ++next;
            }
            DBUILD_TRY(restore(part, block.get()));
        }
        return {};
    }

    Status restore(const RecipePart& part, const std::string* block) {
        switch (part.kind) {
        case RecipePart::Kind::literal: return emit(part.bytes);
        case RecipePart::Kind::zeros: return emit_zeros(part.count);
        case RecipePart::Kind::piece: break;
        }
        const auto& piece = part.piece;
        if (piece.start > block->size() || piece.length > block->size() - piece.start)
            return fail(ErrorKind::corrupt, "pack: a recipe reaches beyond a block");
        return emit(std::string_view(*block).substr(piece.start, piece.length));
    }

    Status emit_zeros(std::uint64_t count) {
        static const std::string k_zeros(64u << 10, '\0');
        if (count > left_) return too_many();
        while (count > 0) {
            const auto some = static_cast<std::size_t>(std::min<std::uint64_t>(count, k_zeros.size()));
            DBUILD_TRY(emit(std::string_view(k_zeros).substr(0, some)));
            count -= some;
        }
        return {};
    }

    Status emit(std::string_view bytes) {
        if (bytes.size() > left_) return too_many();
        left_ -= bytes.size();
        while (!bytes.empty()) {
            const auto count = std::min(bytes.size(), k_chunk_bytes - chunk_.size());
            chunk_ += bytes.substr(0, count);
            bytes.remove_prefix(count);
            if (chunk_.size() == k_chunk_bytes) DBUILD_TRY(flush());
        }
        return {};
    }

    Status flush() {
        hasher_.update(chunk_);
        Status done = chunk_.empty() ? Status() : sink_(chunk_);
        chunk_.clear();
        return done;
    }

    static tl::unexpected<Error> too_many() { return fail(ErrorKind::corrupt, "pack: a recipe gives too many bytes"); }

    BlockCache& blocks_;
    std::uint64_t left_;
    const oci::ByteSink& sink_;
    Sha256 hasher_;
    std::string chunk_;
};

/// A layer with all that it is read from: what is open may be unlinked.
struct OpenedLayer {
    PackedLayer record;
    std::map<Digest, PackReader> packs;
};

/// Errors: not_found — a pack is gone; corrupt; both with `problem`, if it is a pack's. unavailable.
Result<OpenedLayer> open_layer(const fs::path& root, const Digest& pack, const Digest& diff_id, ReadProblem& problem) {
    OpenedLayer opened;
    const auto open = [&](const Digest& name) -> Result<const PackReader*> {
        problem.bad_pack = name; // until it is known to be good
        DBUILD_TRY_ASSIGN(auto reader, PackReader::open(pack_path(root, name)));
        return &opened.packs.emplace(name, std::move(reader)).first->second;
    };
    DBUILD_TRY_ASSIGN(const auto* const reader, open(pack));
    DBUILD_TRY_ASSIGN(const auto records, reader->read_layers());
    problem.bad_pack.reset();
    const auto record =
        std::find_if(records.begin(), records.end(), [&](const auto& layer) { return layer.diff_id == diff_id; });
    if (record == records.end()) return fail(ErrorKind::corrupt, "pack: no record of layer " + diff_id.to_string());
    for (const auto& need : record->packs)
        if (!need.pack.is_zero() && !opened.packs.contains(need.pack)) DBUILD_TRY(open(need.pack));
    problem.bad_pack.reset();
    opened.record = *record;
    return opened;
}

} // namespace

Status read_packed_layer(const fs::path& root, Catalog& catalog, const Digest& diff_id, const oci::ByteSink& sink,
                         ReadProblem& problem) {
    for (std::optional<Digest> tried;;) {
        DBUILD_TRY_ASSIGN(const auto pack, catalog.find_layer(diff_id));
        if (!pack) return fail(ErrorKind::not_found, "layer " + diff_id.to_string() + " is not stored");
        auto opened = open_layer(root, *pack, diff_id, problem);
        // Gone: lost, unless another process has packed the layer again since it was looked up.
        const bool is_gone = !opened && opened.error().kind == ErrorKind::not_found;
        if (is_gone && tried != pack) {
            tried = pack;
            continue;
        }
        if (is_gone) return fail(ErrorKind::corrupt, opened.error().message);
        if (!opened) return fail(std::move(opened).error());
        const auto take = [&](const Digest& name) -> Result<PackReader> {
            auto node = opened->packs.extract(name);
            if (node.empty()) return fail(ErrorKind::corrupt, "pack: a layer names a pack twice");
            return std::move(node.mapped());
        };
        return restore_layer(opened->record, *pack, take, sink, problem);
    }
}

Status restore_layer(const PackedLayer& layer, const Digest& pack, PackOpener open, const oci::ByteSink& sink,
                     ReadProblem& problem) {
    std::vector<Digest> packs;
    for (const auto& need : layer.packs) packs.push_back(need.pack.is_zero() ? pack : need.pack);
    BlockCache blocks(std::move(open), std::move(packs), problem);
    DBUILD_TRY_ASSIGN(const auto found, Restorer(blocks, layer.tar_bytes, sink).run(layer.recipe));
    if (found == layer.diff_id) return {};
    return fail(ErrorKind::corrupt, "stored layer " + layer.diff_id.to_string() + " does not match its name");
}

} // namespace dbuild::cache::store
