// SPDX-License-Identifier: Apache-2.0
// Pack files: PackWriter makes one, PackReader reads one. Which packs there are, and what for, is the index's and
// layer_store's business; the bytes are described in pack_format.hpp.
#pragma once

#include "cache/store/compression_pool.hpp"
#include "cache/store/pack_format.hpp"
#include "cache/store/temporary_file.hpp"

#include <deque>
#include <filesystem>
#include <optional>

namespace dbuild::cache::store {

/// packs/ab/<64 hexadecimal digits>.dbp
std::filesystem::path pack_path(const std::filesystem::path& root, const Digest& name);
/// The name that a path says; nothing if it is no pack's.
std::optional<Digest> pack_name(const std::filesystem::path& path);

class PackWriter {
public:
    /// In: root — the cache folder; pool — outlives the writer.
    static Result<PackWriter> create(const std::filesystem::path& root, CompressionPool& pool);

    /// Out: the block's number. Blocks are compressed side by side and written in order. Errors: unavailable.
    Result<std::uint32_t> add_block(std::string raw, int level = k_zstd_level);
    std::uint32_t next_block() const { return static_cast<std::uint32_t>(tables_.blocks.size() + pending_.size()); }
    void add_piece(const PackedPiece& piece) { tables_.pieces.push_back(piece); }
    void add_layer(PackedLayer layer) { tables_.layers.push_back(std::move(layer)); }
    const PackTables& tables() const { return tables_; }

    /// Bytes written so far; those in work are not counted.
    std::uint64_t bytes() const { return bytes_; }

    struct Finished {
        Digest name;
        std::uint64_t bytes = 0;
        PackTables tables;
    };
    /// Writes tables and trailer, and makes the file durable under its name. Ends the writer.
    Result<Finished> finish(std::vector<PackedStep> steps);

private:
    PackWriter(std::filesystem::path root, TemporaryFile file, CompressionPool& pool);
    Status append(std::string_view bytes);
    Status write_finished_blocks(std::size_t leave_pending);

    std::filesystem::path root_;
    TemporaryFile file_;
    CompressionPool* pool_;
    std::deque<std::future<Result<CompressedBlock>>> pending_; // in order
    PackTables tables_;
    Sha256 hasher_;
    std::uint64_t bytes_ = 0, synced_bytes_ = 0;
};

class PackReader {
public:
    /// Reads the trailer and the block table. Errors: not_found; corrupt — damaged, or not of this format; unavailable.
    static Result<PackReader> open(const std::filesystem::path& path);
    /// A file of which some blocks were fetched, at their places; only those may be read. In: path — for messages.
    static PackReader of_blocks(std::filesystem::path path, Fd fd, std::vector<PackBlock> blocks, std::uint64_t bytes);

    const std::vector<PackBlock>& blocks() const { return tables_.blocks; }
    std::uint64_t bytes() const { return bytes_; }
    /// All tables, or those of the layers only (and the blocks). Errors: corrupt, unavailable.
    Result<PackTables> read_tables() const;
    Result<std::vector<PackedLayer>> read_layers() const;
    /// The uncompressed block; its checksum is checked where it is compressed. In: recycled — a string whose memory is
    /// used again. Errors: corrupt, unavailable. Threads: any number, each with its own `frames`.
    Result<std::string> read_block(std::uint32_t number, ZstdFrames& frames, std::string recycled = {}) const;
    /// SHA-256 of the whole file: its name, if it is undamaged.
    Result<Digest> hash_file() const;

private:
    PackReader(std::filesystem::path path, Fd fd, std::uint64_t bytes)
        : path_(std::move(path)), fd_(std::move(fd)), bytes_(bytes) {}
    Result<std::string> read_at(std::uint64_t offset, std::uint64_t count) const;
    Status read_at(std::uint64_t offset, std::uint64_t count, std::string& bytes) const;
    Status read_table(PackTable table, PackTables& tables) const;

    std::filesystem::path path_;
    Fd fd_;
    std::uint64_t bytes_ = 0;
    PackTrailer trailer_;
    PackTables tables_; // blocks only
};

} // namespace dbuild::cache::store
