// SPDX-License-Identifier: Apache-2.0
#include "cache/store/packer.hpp"

#include "cache/store/recipe.hpp"
#include "cache/store/tar_splitter.hpp"

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <thread>
#include <unordered_map>

namespace fs = std::filesystem;

namespace dbuild::cache::store {
namespace {

constexpr std::size_t k_read_bytes = 1u << 20;
constexpr std::size_t k_literal_bytes = 64u << 10;           // of one recipe instruction, so that segments fill well
constexpr std::size_t k_max_waiting_recipe_bytes = 8u << 20; // recipes go behind the data of their pack
constexpr int k_recipe_level = 9;                            // headers are few and compress well: storage.md §2.1

struct DigestHash {
    std::size_t operator()(const Digest& digest) const {
        std::size_t value = 0;
        std::memcpy(&value, digest.bytes().data(), sizeof value);
        return value;
    }
};

/// One pack after another, and the layers in the one that is open.
class PackBuilder final : public TarPartSink {
public:
    PackBuilder(const fs::path& root, Catalog& catalog, Lease& lease, const PackerSettings& settings,
                CompressionPool& pool)
        : root_(root), catalog_(catalog), lease_(lease), settings_(settings), pool_(pool) {}

    bool is_open() const { return writer_.has_value(); }

    /// Reads a layer to its end. Errors: interrupted — it was given up, or an adopted one has other bytes than its name
    /// says; the open pack is as good as before. After any other error it is not.
    Status add(const std::shared_ptr<SpooledLayer>& spooled) {
        begin_layer(spooled->diff_id());
        Status done = read(*spooled);
        if (!done) {
            layer_.reset();
            return done;
        }
        end_layer();
        spooled_.push_back(spooled);
        return {};
    }

    /// Makes the open pack visible. Out: the layers that must be packed again, because an older pack went away
    /// meanwhile.
    Result<std::vector<std::shared_ptr<SpooledLayer>>> close() {
        std::vector<std::shared_ptr<SpooledLayer>> again;
        if (!writer_) return again;
        if (finished_.empty() && !layer_) { // pieces of layers that were given up
            writer_.reset();
            return again;
        }
        DBUILD_TRY(flush_recipes());
        for (auto& layer : finished_) writer_->add_layer(layer.record);
        DBUILD_TRY_ASSIGN(auto steps, catalog_.steps_of(writer_->tables().layers));
        DBUILD_TRY_ASSIGN(const auto pack, writer_->finish(std::move(steps)));
        writer_.reset();
        if (layer_) lease_.protect(pack.name); // no layer that is visible needs it yet
        DBUILD_TRY_ASSIGN(const auto left_out, catalog_.record_pack(pack));
        for (const auto& spooled : std::exchange(spooled_, {})) {
            const bool is_left_out = std::find(left_out.begin(), left_out.end(), spooled->diff_id()) != left_out.end();
            if (is_left_out)
                again.push_back(spooled);
            else if (!catalog_.is_private()) // otherwise the next process finds it in the spool again
                spooled->remove();
        }
        finished_.clear();
        fresh_.clear();
        if (layer_) name_current_pack(*layer_, pack.name);
        return again;
    }

    /// As close(), of packs that were full in the middle of a layer.
    std::vector<std::shared_ptr<SpooledLayer>> take_again() { return std::exchange(again_, {}); }

    Status literal(std::string_view bytes) override {
        while (!bytes.empty()) {
            const auto count = std::min(bytes.size(), k_literal_bytes);
            DBUILD_TRY(make_room(count));
            layer_->recipe.literal(bytes.substr(0, count));
            layer_->record.tar_bytes += count;
            bytes.remove_prefix(count);
        }
        return {};
    }

    Status zeros(std::uint64_t count) override {
        DBUILD_TRY(make_room(0));
        layer_->recipe.zeros(count);
        layer_->record.tar_bytes += count;
        return {};
    }

    Status piece(std::string_view bytes) override {
        DBUILD_TRY(make_room(0));
        DBUILD_TRY_ASSIGN(const auto reference, place(bytes));
        layer_->recipe.piece(reference);
        layer_->record.packs[reference.pack].raw_bytes += bytes.size();
        layer_->record.tar_bytes += bytes.size();
        return {};
    }

private:
    struct OpenLayer {
        PackedLayer record;
        std::map<Digest, std::uint32_t> positions; // of packs in record.packs
        std::optional<std::uint32_t> current;      // position of the pack that is being written
        RecipeWriter recipe;
        std::vector<std::string> waiting; // segments that have no block yet
    };

    void begin_layer(const Digest& diff_id) {
        layer_.emplace();
        layer_->record.diff_id = diff_id;
    }

    void end_layer() {
        if (!layer_->recipe.is_empty()) close_segment();
        finished_.push_back(std::move(*layer_));
        layer_.reset();
    }

    Status read(SpooledLayer& spooled) {
        DBUILD_TRY(open_writer());
        TarSplitter splitter(*this);
        std::optional<Sha256> hasher;
        if (spooled.check() == SpooledLayer::Check::while_packing) hasher.emplace();
        std::string buffer(k_read_bytes, '\0');
        for (;;) {
            DBUILD_TRY_ASSIGN(const auto count, spooled.follow(buffer.data(), buffer.size()));
            if (count == 0) break;
            const std::string_view bytes(buffer.data(), count);
            if (hasher) hasher->update(bytes);
            DBUILD_TRY(splitter.write(bytes));
        }
        DBUILD_TRY(splitter.finish());
        if (!hasher || hasher->finish() == spooled.diff_id()) return {};
        spooled.remove(); // something took its bytes, such as a power cut: as if it had never been finished
        return fail(ErrorKind::interrupted,
                    "spooled layer " + spooled.diff_id().to_string() + " has other bytes than its name says");
    }

    Status open_writer() {
        if (writer_) return {};
        DBUILD_TRY_ASSIGN(auto writer, PackWriter::create(root_, pool_));
        writer_.emplace(std::move(writer));
        return {};
    }

    /// Where the bytes are, or will be.
    Result<PieceReference> place(std::string_view bytes) {
        const auto hash = sha256(bytes);
        if (const auto found = fresh_.find(hash); found != fresh_.end()) return own_reference(found->second);
        DBUILD_TRY_ASSIGN(const auto known, catalog_.find_piece(hash));
        if (known && known->length == bytes.size()) {
            const auto position = layer_->positions.find(known->pack);
            if (position != layer_->positions.end())
                return PieceReference{position->second, known->block, known->start, known->length};
            if (layer_->positions.size() < settings_.max_old_packs)
                return PieceReference{add_pack(known->pack), known->block, known->start, known->length};
        }
        if (group_.size() + bytes.size() > k_max_block_bytes) DBUILD_TRY(close_group());
        if (group_.empty()) group_ = pool_.block_memory();
        if (writer_->bytes() >= settings_.pack_bytes) {
            DBUILD_TRY_ASSIGN(auto again, close());
            again_.insert(again_.end(), again.begin(), again.end());
            DBUILD_TRY(open_writer());
        }
        const PackedPiece piece{hash, 0, static_cast<std::uint32_t>(group_.size()),
                                static_cast<std::uint32_t>(bytes.size())};
        auto& added = fresh_.emplace(hash, piece).first->second;
        added.block = writer_->next_block();
        group_ += bytes;
        group_pieces_.push_back(added);
        return own_reference(added);
    }

    PieceReference own_reference(const PackedPiece& piece) {
        return {current_position(*layer_), piece.block, piece.start, piece.length};
    }

    std::uint32_t add_pack(const Digest& name) {
        lease_.protect(name);
        const auto position = static_cast<std::uint32_t>(layer_->record.packs.size());
        layer_->record.packs.push_back({name, 0});
        layer_->positions.emplace(name, position);
        return position;
    }

    static std::uint32_t current_position(OpenLayer& layer) {
        if (!layer.current) {
            layer.current = static_cast<std::uint32_t>(layer.record.packs.size());
            layer.record.packs.push_back({Digest(), 0});
        }
        return *layer.current;
    }

    /// The pack that was being written has a name now; what comes goes into another one.
    static void name_current_pack(OpenLayer& layer, const Digest& name) {
        if (!layer.current) return;
        layer.record.packs[*layer.current].pack = name;
        layer.positions.emplace(name, *layer.current);
        layer.current.reset();
    }

    Status close_group() {
        if (group_.empty()) return {};
        DBUILD_TRY(writer_->add_block(std::exchange(group_, {})));
        for (const auto& piece : group_pieces_) writer_->add_piece(piece);
        group_pieces_.clear();
        return {};
    }

    /// Keeps a segment of the recipe within a block: no instruction takes more than `bytes` and a little.
    Status make_room(std::size_t bytes) {
        constexpr std::size_t k_longest_instruction = 64;
        if (layer_->recipe.size() + bytes + k_longest_instruction <= k_max_block_bytes) return {};
        close_segment();
        return waiting_bytes_ > k_max_waiting_recipe_bytes ? flush_recipes() : Status();
    }

    void close_segment() {
        layer_->waiting.push_back(layer_->recipe.take_segment());
        waiting_bytes_ += layer_->waiting.back().size();
    }

    /// Also before a pack is closed: a segment may name the pack that it is in only while that one has no name yet.
    Status flush_recipes() {
        DBUILD_TRY(close_group());
        for (auto& layer : finished_) DBUILD_TRY(flush_recipe(layer));
        if (layer_) {
            if (!layer_->recipe.is_empty()) close_segment();
            DBUILD_TRY(flush_recipe(*layer_));
        }
        waiting_bytes_ = 0;
        return {};
    }

    Status flush_recipe(OpenLayer& layer) {
        const auto position = current_position(layer); // the record itself is in this pack at least
        for (auto& segment : layer.waiting) {
            DBUILD_TRY_ASSIGN(const auto block, writer_->add_block(std::move(segment), k_recipe_level));
            layer.record.recipe.push_back({position, block});
        }
        layer.waiting.clear();
        return {};
    }

    const fs::path& root_;
    Catalog& catalog_;
    Lease& lease_;
    const PackerSettings& settings_;
    CompressionPool& pool_;

    std::optional<PackWriter> writer_;
    std::unordered_map<Digest, PackedPiece, DigestHash> fresh_; // pieces of the open pack
    std::string group_;                                         // the block that is being filled
    std::vector<PackedPiece> group_pieces_;
    std::optional<OpenLayer> layer_;  // that is being read
    std::vector<OpenLayer> finished_; // in the open pack
    std::size_t waiting_bytes_ = 0;
    std::vector<std::shared_ptr<SpooledLayer>> spooled_; // of the finished ones
    std::vector<std::shared_ptr<SpooledLayer>> again_;
};

} // namespace

struct Packer::Impl {
    fs::path root;
    Catalog& catalog;
    Lease& lease;
    PackerSettings settings;
    CompressionPool pool;

    std::mutex mutex;
    std::condition_variable changed;
    std::deque<std::shared_ptr<SpooledLayer>> layers; // shared with their writers
    bool is_finishing = false, is_closing = false, is_idle = true;
    Status failure;
    std::thread thread;

    Impl(fs::path folder, Catalog& packs, Lease& protection, PackerSettings chosen)
        : root(std::move(folder)), catalog(packs), lease(protection), settings(chosen),
          pool(chosen.compression_threads) {}

    void work() {
        std::optional<PackBuilder> builder;
        std::unique_lock lock(mutex);
        for (;;) {
            changed.wait(lock, [&] { return is_closing || is_finishing || !layers.empty(); });
            if (layers.empty() && !builder) {
                is_idle = true;
                is_finishing = false;
                changed.notify_all();
                if (is_closing) return;
                continue;
            }
            auto layer = layers.empty() ? nullptr : layers.front();
            if (layer) layers.pop_front();
            lock.unlock();
            if (!builder) builder.emplace(root, catalog, lease, settings, pool);
            Status done = layer ? add(*builder, layer) : close(*builder);
            lock.lock();
            if (!done && failure) failure = done;
            if (!done || !builder->is_open()) builder.reset();
        }
    }

    /// Errors: the open pack cannot be gone on with.
    Status add(PackBuilder& builder, const std::shared_ptr<SpooledLayer>& layer) {
        Status done = builder.add(layer);
        repeat(builder.take_again());
        return done || done.error().kind == ErrorKind::interrupted ? Status() : done;
    }

    Status close(PackBuilder& builder) {
        DBUILD_TRY_ASSIGN(auto again, builder.close());
        repeat(std::move(again));
        return {};
    }

    void repeat(std::vector<std::shared_ptr<SpooledLayer>> again) {
        const std::lock_guard lock(mutex);
        for (auto& layer : again)
            if (layer->rewind()) layers.push_back(std::move(layer));
    }
};

Packer::Packer(fs::path root, Catalog& catalog, Lease& lease, PackerSettings settings)
    : impl_(std::make_unique<Impl>(std::move(root), catalog, lease, settings)) {}

Packer::~Packer() {
    {
        const std::lock_guard lock(impl_->mutex);
        impl_->is_closing = true;
    }
    impl_->changed.notify_all();
    if (impl_->thread.joinable()) impl_->thread.join();
}

void Packer::add(std::shared_ptr<SpooledLayer> layer) {
    {
        const std::lock_guard lock(impl_->mutex);
        impl_->layers.push_back(std::move(layer));
        impl_->is_idle = false;
        if (!impl_->thread.joinable()) impl_->thread = std::thread([impl = impl_.get()] { impl->work(); });
    }
    impl_->changed.notify_all();
}

void Packer::begin_finish() {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->is_idle) return;
    impl_->is_finishing = true;
    impl_->changed.notify_all();
}

Status Packer::finish() {
    std::unique_lock lock(impl_->mutex);
    impl_->is_finishing = true;
    impl_->changed.notify_all();
    impl_->changed.wait(lock, [&] { return impl_->is_idle; });
    impl_->is_finishing = false;
    return std::exchange(impl_->failure, {});
}

} // namespace dbuild::cache::store
