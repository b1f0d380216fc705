// SPDX-License-Identifier: Apache-2.0
// What the index says of packs: which there are, which layers they hold, where each piece is. For all threads of a
// process; the files themselves are pack_file.hpp's business.
#pragma once

#include "cache/store/database.hpp"
#include "cache/store/pack_file.hpp"

#include <mutex>
#include <optional>
#include <set>
#include <span>

namespace dbuild::cache::store {

struct CatalogPack {
    std::uint64_t id = 0;
    Digest name;
    std::uint64_t bytes = 0, raw_bytes = 0;
    std::uint64_t needed_bytes = 0; // uncompressed bytes that layers have in it; a piece that two use counts twice
    std::uint64_t layer_count = 0;
    std::int64_t created = 0; // seconds since 1970
};

struct CatalogLayer {
    Digest diff_id;
    Digest pack; // which holds the recipe
    std::uint64_t tar_bytes = 0;
    std::int64_t created = 0, used = 0;
    struct Need {
        Digest pack;
        std::uint64_t raw_bytes = 0;
    };
    std::vector<Need> needs;
};

struct CatalogPiece {
    Digest pack;
    std::uint32_t block = 0, start = 0, length = 0;
};

/// Whether a file of its size is there under its name.
bool has_whole_file(const std::filesystem::path& root, const CatalogPack& pack);

/// Seconds since 1970, now.
std::int64_t unix_seconds();
/// Times of last use are kept no finer than this, so that reading does not become writing.
inline constexpr std::int64_t k_use_resolution_seconds = 3600;

/// The number that rows name a pack by; nothing if the index does not list it.
Result<std::optional<std::uint64_t>> pack_id(Database& database, const Digest& name);

/// Errors of all members: unavailable; corrupt — the index is damaged; and those of Database::open, which the first
/// call of any member does: a build that only hits asks nothing of it.
class Catalog {
public:
    explicit Catalog(std::filesystem::path root) : state_(std::make_unique<State>(std::move(root))) {}
    /// Opens the index now, for whoever wants to know beforehand that it can be.
    Status open();

    Result<std::optional<CatalogPiece>> find_piece(const Digest& hash);
    /// The pack with the layer's recipe. Holds nothing if the layer cannot be restored.
    Result<std::optional<Digest>> find_layer(const Digest& diff_id);
    Result<std::vector<CatalogPack>> packs_of(const Digest& diff_id);
    Result<std::vector<CatalogPack>> packs();
    Result<std::vector<CatalogLayer>> layers();
    /// The steps that made any of these layers, as far as they are recorded.
    Result<std::vector<PackedStep>> steps_of(std::span<const PackedLayer> layers);

    /// Makes a durable pack, its pieces and its layers visible in one transaction.
    /// Out: the layers that were left out, because a pack that they need is gone, or this one.
    Result<std::vector<Digest>> record_pack(const PackWriter::Finished& pack);
    /// Adds what a pack says about steps; records that are there stay.
    Status record_steps(std::span<const PackedStep> steps);
    /// Notes that the layer is in use, at most once in k_use_resolution_seconds.
    Status touch_layer(const Digest& diff_id);
    Status forget_layers(std::span<const Digest> diff_ids);
    /// Together with all layers that need it. The file may go afterwards.
    Status forget_pack(const Digest& name);
    /// The same, unless the file is whole by now.
    Status forget_lost_pack(const CatalogPack& pack);

    /// Evicting takes three steps, between which other processes may say that they need something (lease.hpp): what is
    /// doomed is not found any more; what nobody protects is forgotten; then packs that nothing needs. Out: their
    /// names; the files may go.
    Status doom_layers(std::span<const Digest> diff_ids);
    Status forget_doomed(const std::set<Digest>& spared);
    Result<std::vector<Digest>> forget_unneeded_packs(const std::set<Digest>& spared);
    /// Removes the rows of pieces whose pack was forgotten. Nobody finds those anyway; they are many, and removing them
    /// takes room in the log, so that it comes after the files have made some.
    Status sweep_pieces();
    /// No further layer will refer to this pack.
    Status retire_pieces(const Digest& pack);

    bool is_private();
    Result<std::uint64_t> index_bytes();
    std::vector<std::string> take_warnings();

private:
    /// The connection, for one thread at a time.
    struct Access {
        std::unique_lock<std::mutex> lock;
        Database* database;
        Database* operator->() const { return database; }
        Database& operator*() const { return *database; }
    };
    Result<Access> access();

    struct State {
        explicit State(std::filesystem::path folder) : root(std::move(folder)) {}
        std::filesystem::path root;
        std::mutex mutex;
        std::optional<Database> database;
    };
    std::unique_ptr<State> state_;
};

} // namespace dbuild::cache::store
