// SPDX-License-Identifier: Apache-2.0
// The layer store: layer blobs by digest, shared by processes, checked whenever they are read. A layer that dbuild made
// is first spooled, then packed while the build goes on; layers of a base image that arrived compressed are kept as
// they came, because nobody could compress them again to the same bytes. What the layers mean is the index's business.
#pragma once

#include "cache/oci/byte_source.hpp"
#include "cache/oci/layer_tar.hpp"
#include "support/digest.hpp"
#include "support/result.hpp"

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace dbuild::cache::store {

class Catalog;

/// Where layers are that this machine lacks. Threads: any number of calls at once.
class LayerSource {
public:
    virtual ~LayerSource() = default;
    /// Whether it should be able to bring that layer.
    virtual bool has(const Digest& diff_id) = 0;
    /// Puts into the store what can be had of these; after that it has() not what could not. Layers that it does not
    /// know are left alone.
    virtual void bring(std::span<const Digest> diff_ids) = 0;
};

/// For all threads of a process. Copies of a digest's bytes are whoever's comes first; they are the same.
class LayerStore {
public:
    /// `when_needed`: for whoever has opened the index of that folder already, and may have no question to the store.
    enum class IndexOpening { now, when_needed };
    /// In: root — the cache folder. Where it cannot be written, the store keeps what this process puts in for this
    /// process only. Effects: takes over what dead processes left in the spool. Errors: as Database::open.
    static Result<LayerStore> open(const std::filesystem::path& root, IndexOpening opening = IndexOpening::now);
    LayerStore(LayerStore&&) noexcept;
    LayerStore& operator=(LayerStore&&) noexcept;
    /// Waits for what is not packed yet.
    ~LayerStore();

    /// Stores one layer and returns what one pass over it found. It survives a kill of the process from then on;
    /// packing goes on behind. Cost: two hashes and one write without a sync. In: blob — a tar, plain or compressed;
    /// expected — its diff_id. Errors: corrupt — the bytes do not hash to `expected` or are no tar; unavailable — disk,
    /// also the temporary folder's. Effects: nothing is visible on failure; a layer that is already there is left
    /// alone.
    Result<oci::LayerScan> put(const oci::ByteSource& blob, const Digest& expected) const;

    /// As put() of the file's bytes; where they are no compressed ones, the spool takes a second name of the file
    /// instead of a copy. In: blob — a file that nobody changes any more; it may be removed.
    Result<oci::LayerScan> put_file(const std::filesystem::path& blob, const Digest& expected) const;

    /// As put_file() of a plain tar that this process has just written, and knows all about: it is read, and checked,
    /// when it is packed.
    Status put_written(const std::filesystem::path& blob, const Digest& diff_id) const;

    /// Stores a blob as it is. Errors: corrupt — the bytes do not hash to `digest`; unavailable — disk.
    Status put_blob(const oci::ByteSource& blob, const Digest& digest) const;
    /// The same for one who hands the bytes over. In: send — gives all of them to the sink, in order.
    Status receive_blob(const std::function<Status(const oci::ByteSink& sink)>& send, const Digest& digest) const;

    /// From now on what the source has counts as being here, and is brought when it is read.
    /// In: source — outlives the store, or the next call; null: none.
    void set_source(LayerSource* source) const;
    /// Brings what is missing of these, all together: cheaper than one by one.
    void bring(std::span<const Digest> diff_ids) const;

    /// True also means: no other process evicts it while this one lives.
    bool has(const Digest& digest) const;

    /// Hands the blob of that name to `sink` (for a diff_id: the uncompressed tar), and checks it against its name at
    /// the end. Errors: not_found; corrupt — it did not match and is now gone; what `sink` fails with.
    Status read(const Digest& digest, const oci::ByteSink& sink) const;

    /// Packs a stored layer anew, with such pieces as the index finds now. Errors: as read().
    Status repack(const Digest& diff_id) const;

    /// Says that nothing is put for some time: what is open is made durable beside what comes next.
    void begin_flush() const;
    /// Waits until everything put so far is packed and durable. Errors: unavailable — it is still in the spool.
    Status flush() const;

    /// What went wrong without stopping anybody, since the last call.
    std::vector<std::string> take_warnings() const;
    /// For what looks after the store: prune, verify, rebuild.
    Catalog& catalog() const;
    const std::filesystem::path& root() const;

private:
    struct Impl;
    class SpoolSink;
    explicit LayerStore(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

/// layers/ab/<64 hexadecimal digits>.blob
std::filesystem::path blob_path(const std::filesystem::path& root, const Digest& digest);

/// Reads a file that holds one blob (or a layer of format 1), and checks it. Errors: not_found, corrupt, unavailable;
/// the sink's.
Status read_layer_file(const std::filesystem::path& path, const Digest& digest, const oci::ByteSink& sink);

using oci::file_source;

} // namespace dbuild::cache::store
