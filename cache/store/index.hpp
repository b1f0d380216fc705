// SPDX-License-Identifier: Apache-2.0
// The index of the store: step records, layer sizes and tables of contents, memos, base images, scopes.
// Layer bytes, and where they are, are layer_store's business.
#pragma once

#include "cache/oci/layer_tar.hpp"
#include "cache/step_key.hpp"
#include "cache/store/database.hpp"
#include "support/result.hpp"

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dbuild::cache::store {

/// What a finished step made. `layer_bytes` is the size of the uncompressed tar.
struct StepRecord {
    StepKey key;
    Digest diff_id;
    Digest content_id;
    std::uint64_t layer_bytes = 0;
    std::string created; // RFC 3339
    double wall_ms = 0;
    std::string ingredients; // written, not read back by find_step
    Digest parent = {};      // diff_id of the layer below; zeros: there is none. Written, not read back
    /// Where a lost layer was made again and came out different: the link of the first result, so that the steps which
    /// were made on that keep their keys (lineage). Zeros: the content ID is the link.
    Digest link = {};

    Digest chain_link() const { return link.is_zero() ? content_id : link; }
};

/// What is known of a layer besides its table of contents.
struct LayerRecord {
    std::uint64_t size = 0;          // bytes of the uncompressed tar
    bool is_made_in_process = false; // no engine made it, so a builder may never have seen it
};

/// A layer as a remote publishes it.
struct PublishedLayer {
    Digest diff_id;
    std::uint64_t size = 0; // bytes of the uncompressed tar
    std::string contents;   // zstd of encode()
};

/// A layer as a compression makes a blob of it.
struct CompressedLayer {
    Digest diff_id;
    Digest digest;          // of the blob
    std::uint64_t size = 0; // bytes of the blob
};

/// A version of a scope's published index.
struct MergedScope {
    std::string version;
    std::optional<Digest> settled; // what a build used and found published there (cache/remote/publisher.hpp)
};

/// A base image as it was when it was read: configuration and manifest as their JSON texts.
struct BaseRecord {
    std::string id; // the engine's image ID
    std::string config;
    std::string manifest;
};

/// The stored form of a table of contents. Errors: corrupt — anything else.
Result<oci::TableOfContents> unpack_contents(std::string_view stored);

/// Shared by processes: every write is one transaction under <root>/write.lock, which keeps the WAL bug of SQLite
/// before 3.51.3 out (../reference/storage.md §4.1). Errors of all members: unavailable — the database cannot be read;
/// corrupt — it is damaged, and will be set aside by the next call: asking once more finds an empty one. What cannot be
/// written goes on in memory.
class Index {
public:
    /// In: root — the cache folder, made if missing. Errors: as Database::open.
    static Result<Index> open(const std::filesystem::path& root);

    /// All look-ups as of one moment and for the price of one transaction, until it goes out of scope or something is
    /// recorded. Not for as long as a step runs: nobody can fold the log back meanwhile. It must not outlive the index.
    class ReadTransaction {
    public:
        explicit ReadTransaction(Index& index) : database_(index.database_) { database_.begin_reading(); }
        ReadTransaction(const ReadTransaction&) = delete;
        ReadTransaction& operator=(const ReadTransaction&) = delete;
        ~ReadTransaction() { database_.end_reading(); }

    private:
        Database& database_;
    };

    /// What went wrong without stopping anybody, since the last call.
    std::vector<std::string> take_warnings();
    bool is_private() const;  // in memory: nothing is kept
    bool was_damaged() const; // since it was opened: what it knew may be gone, and there is a warning

    Result<std::optional<StepRecord>> find_step(const StepKey& key);
    /// Several results for one key: the first stays, unless `replace` (its layer was lost).
    enum class OnConflict { keep_first, replace };
    Status record_steps(std::span<const StepRecord> records, std::string_view scope, OnConflict on_conflict);
    Status use_steps(std::span<const StepKey> keys, std::string_view scope);

    /// What another machine published, in one transaction; no scope uses it yet. Layers and bases that are known stay.
    /// Out: the layers that were not known before; as made in process, because no builder here has seen them.
    Result<std::vector<Digest>> record_published(std::span<const StepRecord> steps,
                                                 std::span<const PublishedLayer> layers,
                                                 std::span<const BaseRecord> bases, OnConflict on_conflict);

    /// The version all of whose rows are here: none of them was forgotten or replaced since. In: remote — as its URL
    /// was given; on_conflict — how its rows were recorded.
    Result<std::optional<MergedScope>> find_merged(std::string_view remote, std::string_view scope,
                                                   OnConflict on_conflict);
    Status record_merged(std::string_view remote, std::string_view scope, OnConflict on_conflict,
                         const MergedScope& merged);

    Status record_layer(const Digest& diff_id, const LayerRecord& layer, const oci::TableOfContents& contents);
    /// Holds nothing if the layer was never recorded. Errors: besides, corrupt — the stored contents are damaged.
    Result<std::optional<oci::TableOfContents>> find_contents(const Digest& diff_id);
    Result<std::optional<LayerRecord>> find_layer(const Digest& diff_id);

    /// Digest of what a path names in a root file system. In: layers — SHA-256 over its diff_ids.
    Result<std::optional<Digest>> find_selection(const Digest& layers, std::string_view source);
    Status record_selection(const Digest& layers, std::string_view source, const Digest& digest);

    /// What a layer was compressed to before, so that a blob which is there already is not made again.
    Result<std::optional<CompressedLayer>> find_compressed(const Digest& diff_id, std::string_view compression);
    Status record_compressed(std::span<const CompressedLayer> layers, std::string_view compression);

    /// Whether somebody unpacked the blob and found the layer in it: what an image says of the two may be untrue.
    Result<bool> has_unpacked(const Digest& blob, const Digest& diff_id);
    Status record_unpacked(const Digest& blob, const Digest& diff_id);

    /// The layer that a layer became when its times were clamped. In: latest — seconds since 1970.
    Result<std::optional<Digest>> find_clamped(const Digest& diff_id, std::uint64_t latest);
    Status record_clamped(const Digest& diff_id, std::uint64_t latest, const Digest& clamped);

    /// How many bytes the manifest has, if an engine had the image from here, with every blob.
    Result<std::optional<std::uint64_t>> find_brought(const Digest& manifest);
    Status record_brought(const Digest& manifest, std::uint64_t bytes);
    Status forget_brought(const Digest& manifest);

    Result<std::optional<BaseRecord>> find_base(std::string_view id);
    Status record_base(const BaseRecord& base);
    /// What a reference meant when it was last seen; in: asked_since — only as an answer of that time (seconds since
    /// 1970) or later.
    Result<std::optional<std::string>> find_pin(std::string_view reference, std::int64_t asked_since = 0);
    Status record_pin(std::string_view reference, std::string_view id);
    /// A pin that find_pin() takes for an answer of this moment.
    Status record_answer(std::string_view reference, std::string_view id);

private:
    explicit Index(Database database) : database_(std::move(database)) {}
    Status use_step(const StepKey& key, std::string_view scope);
    Status insert_step(const StepRecord& record, OnConflict on_conflict);
    Database database_;
};

} // namespace dbuild::cache::store
