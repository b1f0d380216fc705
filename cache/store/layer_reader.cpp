// SPDX-License-Identifier: Apache-2.0
#include "cache/store/layer_reader.hpp"

#include "cache/store/recipe.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <list>
#include <map>
#include <thread>

namespace fs = std::filesystem;

namespace dbuild::cache::store {
namespace {

constexpr std::size_t k_chunk_bytes = 1u << 18; // fits the second-level cache: hashed while still there
constexpr std::size_t k_max_waiting_chunks = 32;
constexpr std::size_t k_max_cached_blocks = 64;

/// From the thread that decompresses to the one that hashes.
class ChunkQueue {
public:
    /// Out: false — nobody wants any more.
    bool push(std::string chunk) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return is_cancelled_ || chunks_.size() < k_max_waiting_chunks; });
        if (is_cancelled_) return false;
        chunks_.push_back(std::move(chunk));
        changed_.notify_all();
        return true;
    }
    void end() {
        const std::lock_guard lock(mutex_);
        is_ended_ = true;
        changed_.notify_all();
    }
    /// Out: nothing at the end.
    std::optional<std::string> pop() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return is_ended_ || !chunks_.empty(); });
        if (chunks_.empty()) return std::nullopt;
        auto chunk = std::move(chunks_.front());
        chunks_.pop_front();
        changed_.notify_all();
        return chunk;
    }
    void cancel() {
        const std::lock_guard lock(mutex_);
        is_cancelled_ = true;
        changed_.notify_all();
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::string> chunks_;
    bool is_ended_ = false, is_cancelled_ = false;
};

/// The blocks of the packs that a layer needs; those used last stay in memory.
class BlockCache {
public:
    BlockCache(const fs::path& root, std::vector<Digest> packs, ReadProblem& problem)
        : root_(root), names_(std::move(packs)), readers_(names_.size()), problem_(problem) {}

    Result<std::shared_ptr<const std::string>> block(std::uint32_t pack, std::uint32_t number) {
        const std::pair place(pack, number);
        if (const auto found = blocks_.find(place); found != blocks_.end()) {
            used_.splice(used_.begin(), used_, found->second.position);
            return found->second.bytes;
        }
        auto read = read_block(pack, number);
        if (!read) {
            const auto kind = read.error().kind;
            if (pack < names_.size() && (kind == ErrorKind::corrupt || kind == ErrorKind::not_found))
                problem_.bad_pack = names_[pack];
            return fail(kind == ErrorKind::not_found ? ErrorKind::corrupt : kind, read.error().message);
        }
        if (blocks_.size() >= k_max_cached_blocks) {
            blocks_.erase(used_.back());
            used_.pop_back();
        }
        used_.push_front(place);
        auto bytes = std::make_shared<const std::string>(std::move(*read)); // shared with the user of the present block
        blocks_.emplace(place, Entry{bytes, used_.begin()});
        return bytes;
    }

private:
    struct Entry {
        std::shared_ptr<const std::string> bytes;
        std::list<std::pair<std::uint32_t, std::uint32_t>>::iterator position;
    };

    Result<std::string> read_block(std::uint32_t pack, std::uint32_t number) {
        if (pack >= names_.size())
            return fail(ErrorKind::corrupt, "pack: a recipe names a pack that its layer does not");
        auto& reader = readers_[pack];
        if (!reader) {
            DBUILD_TRY_ASSIGN(auto opened, PackReader::open(pack_path(root_, names_[pack])));
            reader.emplace(std::move(opened));
        }
        return reader->read_block(number, frames_);
    }

    const fs::path& root_;
    std::vector<Digest> names_;
    std::vector<std::optional<PackReader>> readers_;
    ReadProblem& problem_;
    ZstdFrames frames_;
    std::map<std::pair<std::uint32_t, std::uint32_t>, Entry> blocks_;
    std::list<std::pair<std::uint32_t, std::uint32_t>> used_; // last used first
};

/// Carries out a recipe into the queue.
class Restorer {
public:
    Restorer(BlockCache& blocks, ChunkQueue& queue, std::uint64_t tar_bytes)
        : blocks_(blocks), queue_(queue), left_(tar_bytes) {}

    Status run(const std::vector<BlockPlace>& recipe) {
        for (const auto& place : recipe) {
            DBUILD_TRY_ASSIGN(const auto segment, blocks_.block(place.pack, place.block));
            DBUILD_TRY_ASSIGN(const auto parts, read_segment(*segment));
            for (const auto& part : parts) DBUILD_TRY(restore(part));
        }
        if (left_ > 0) return fail(ErrorKind::corrupt, "pack: a recipe gives too few bytes");
        return flush();
    }

private:
    Status restore(const RecipePart& part) {
        switch (part.kind) {
        case RecipePart::Kind::literal:
            return emit(part.bytes);
        case RecipePart::Kind::zeros:
            return emit_zeros(part.count);
        case RecipePart::Kind::piece:
            break;
        }
        const auto& piece = part.piece;
        if (!block_ || piece.pack != pack_ || piece.block != number_) {
            DBUILD_TRY_ASSIGN(block_, blocks_.block(piece.pack, piece.block));
            pack_ = piece.pack;
            number_ = piece.block;
        }
        if (piece.start > block_->size() || piece.length > block_->size() - piece.start)
            return fail(ErrorKind::corrupt, "pack: a recipe reaches beyond a block");
        return emit(std::string_view(*block_).substr(piece.start, piece.length));
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
            if (chunk_.capacity() < k_chunk_bytes) chunk_.reserve(k_chunk_bytes);
            chunk_ += bytes.substr(0, count);
            bytes.remove_prefix(count);
            if (chunk_.size() == k_chunk_bytes) DBUILD_TRY(flush());
        }
        return {};
    }

    Status flush() {
        if (chunk_.empty() || queue_.push(std::exchange(chunk_, {}))) return {};
        return fail(ErrorKind::interrupted, "nobody reads the layer any more");
    }

    static tl::unexpected<Error> too_many() { return fail(ErrorKind::corrupt, "pack: a recipe gives too many bytes"); }

    BlockCache& blocks_;
    ChunkQueue& queue_;
    std::uint64_t left_;
    std::string chunk_;
    std::shared_ptr<const std::string> block_; // shared with the cache, which may drop it
    std::uint32_t pack_ = 0, number_ = 0;
};

Status read_by_record(const fs::path& root, const PackedLayer& layer, std::vector<Digest> packs,
                      const oci::ByteSink& sink, ReadProblem& problem) {
    ChunkQueue queue;
    Status restored;
    std::thread thread([&] {
        BlockCache blocks(root, std::move(packs), problem);
        restored = Restorer(blocks, queue, layer.tar_bytes).run(layer.recipe);
        queue.end();
    });
    Status used;
    Sha256 hasher;
    while (const auto chunk = queue.pop()) {
        hasher.update(*chunk);
        used = sink(*chunk);
        if (!used) break;
    }
    queue.cancel();
    thread.join();
    if (!used) return used;
    DBUILD_TRY(std::move(restored));
    if (hasher.finish() != layer.diff_id)
        return fail(ErrorKind::corrupt, "stored layer " + layer.diff_id.to_string() + " does not match its name");
    return {};
}

} // namespace

Status read_packed_layer(const fs::path& root, Catalog& catalog, const Digest& diff_id, const oci::ByteSink& sink,
                         ReadProblem& problem) {
    DBUILD_TRY_ASSIGN(const auto pack, catalog.find_layer(diff_id));
    if (!pack) return fail(ErrorKind::not_found, "layer " + diff_id.to_string() + " is not stored");
    const auto read_records = [&]() -> Result<std::vector<PackedLayer>> {
        DBUILD_TRY_ASSIGN(const auto reader, PackReader::open(pack_path(root, *pack)));
        return reader.read_layers();
    };
    const auto records = read_records();
    if (!records) {
        const auto kind = records.error().kind;
        if (kind == ErrorKind::corrupt || kind == ErrorKind::not_found) problem.bad_pack = *pack;
        return fail(kind == ErrorKind::not_found ? ErrorKind::corrupt : kind, records.error().message);
    }
    const auto record = std::find_if(records->begin(), records->end(),
                                     [&](const PackedLayer& layer) { return layer.diff_id == diff_id; });
    if (record == records->end()) return fail(ErrorKind::corrupt, "pack: no record of layer " + diff_id.to_string());
    std::vector<Digest> packs;
    for (const auto& need : record->packs) packs.push_back(need.pack.is_zero() ? *pack : need.pack);
    return read_by_record(root, *record, std::move(packs), sink, problem);
}

} // namespace dbuild::cache::store
