// SPDX-License-Identifier: Apache-2.0
#include "cache/store/pack_file.hpp"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace fs = std::filesystem;

namespace dbuild::cache::store {
namespace {

constexpr std::size_t k_max_pending_blocks = 8;       // with their results about 16 MiB
constexpr std::uint64_t k_writeback_bytes = 8u << 20; // so that the sync at the end finds little to do

} // namespace

fs::path pack_path(const fs::path& root, const Digest& name) {
    const auto hex = name.hex();
    return root / "packs" / hex.substr(0, 2) / (hex + ".dbp");
}

std::optional<Digest> pack_name(const fs::path& path) {
    if (path.extension() != ".dbp") return std::nullopt;
    const auto name = Digest::parse("sha256:" + path.stem().string());
    return name ? std::optional(*name) : std::nullopt;
}

PackWriter::PackWriter(fs::path root, TemporaryFile file, CompressionPool& pool)
    : root_(std::move(root)), file_(std::move(file)), pool_(&pool) {}

Result<PackWriter> PackWriter::create(const fs::path& root, CompressionPool& pool) {
    DBUILD_TRY(make_directories(root / "tmp"));
    DBUILD_TRY_ASSIGN(auto file, TemporaryFile::create(root / "tmp"));
    PackWriter writer(root, std::move(file), pool);
    DBUILD_TRY(writer.append(k_pack_header));
    return writer;
}

Status PackWriter::append(std::string_view bytes) {
    DBUILD_TRY(file_.write(bytes));
    hasher_.update(bytes);
    bytes_ += bytes.size();
    if (bytes_ - synced_bytes_ >= k_writeback_bytes) { // a hint, whose failure the sync at the end finds out
        ::sync_file_range(file_.fd(), static_cast<off_t>(synced_bytes_), static_cast<off_t>(bytes_ - synced_bytes_),
                          SYNC_FILE_RANGE_WRITE);
        synced_bytes_ = bytes_;
    }
    return {};
}

Result<std::uint32_t> PackWriter::add_block(std::string raw, int level) {
    const auto number = next_block();
    DBUILD_TRY(write_finished_blocks(k_max_pending_blocks - 1));
    pending_.push_back(pool_->compress(std::move(raw), level));
    return number;
}

Status PackWriter::write_finished_blocks(std::size_t leave_pending) {
    const auto is_ready = [&] {
        return pending_.front().wait_for(std::chrono::seconds(0)) == std::future_status::ready;
    };
    while (!pending_.empty() && (pending_.size() > leave_pending || is_ready())) {
        DBUILD_TRY_ASSIGN(const auto block, pending_.front().get());
        pending_.pop_front();
        tables_.blocks.push_back({bytes_, static_cast<std::uint32_t>(block.stored.size()), block.raw_bytes});
        DBUILD_TRY(append(block.stored));
    }
    return {};
}

Result<PackWriter::Finished> PackWriter::finish(std::vector<PackedStep> steps) {
    DBUILD_TRY(write_finished_blocks(0));
    tables_.steps = std::move(steps);
    PackTrailer trailer;
    ZstdFrames frames;
    for (std::size_t i = 0; i < k_table_count; ++i) {
        const auto raw = encode_table(tables_, static_cast<PackTable>(i));
        DBUILD_TRY_ASSIGN(const auto stored, frames.compress(raw));
        trailer.tables[i] = {bytes_, stored.size(), raw.size(), sha256(stored)};
        DBUILD_TRY(append(stored));
    }
    DBUILD_TRY(append(encode_trailer(trailer)));
    const auto name = hasher_.finish();
    const auto path = pack_path(root_, name);
    DBUILD_TRY(make_directories(path.parent_path()));
    DBUILD_TRY(file_.commit(path));
    return Finished{name, bytes_, std::move(tables_)};
}

Result<PackReader> PackReader::open(const fs::path& path) {
    DBUILD_TRY_ASSIGN(auto fd, open_for_reading(path));
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0) return fail(ErrorKind::unavailable, "cannot read " + path.string());
    PackReader reader(path, std::move(fd), static_cast<std::uint64_t>(status.st_size));
    if (reader.bytes_ < k_pack_header.size() + k_trailer_bytes)
        return fail(ErrorKind::corrupt, "pack: cut off: " + path.string());
    DBUILD_TRY_ASSIGN(const auto header, reader.read_at(0, k_pack_header.size()));
    if (header != k_pack_header) return fail(ErrorKind::corrupt, "pack: not of this format: " + path.string());
    DBUILD_TRY_ASSIGN(const auto trailer, reader.read_at(reader.bytes_ - k_trailer_bytes, k_trailer_bytes));
    DBUILD_TRY_ASSIGN(reader.trailer_, decode_trailer(trailer, reader.bytes_));
    DBUILD_TRY(reader.read_table(PackTable::blocks, reader.tables_));
    const auto end_of_blocks = reader.tables_.blocks.empty()
                                   ? k_pack_header.size()
                                   : reader.tables_.blocks.back().offset + reader.tables_.blocks.back().stored_bytes;
    if (end_of_blocks > reader.trailer_.tables[0].offset)
        return fail(ErrorKind::corrupt, "pack: blocks beyond their end: " + path.string());
    return reader;
}

PackReader PackReader::of_blocks(fs::path path, Fd fd, std::vector<PackBlock> blocks, std::uint64_t bytes) {
    PackReader reader(std::move(path), std::move(fd), bytes);
    reader.tables_.blocks = std::move(blocks);
    return reader;
}

Status PackReader::read_table(PackTable table, PackTables& tables) const {
    const auto& place = trailer_.tables[static_cast<std::size_t>(table)];
    DBUILD_TRY_ASSIGN(const auto stored, read_at(place.offset, place.stored_bytes));
    if (sha256(stored) != place.hash) return fail(ErrorKind::corrupt, "pack: damaged table in " + path_.string());
    ZstdFrames frames;
    DBUILD_TRY_ASSIGN(const auto raw, frames.decompress(stored, static_cast<std::size_t>(place.raw_bytes)));
    return decode_table(raw, table, tables);
}

Result<PackTables> PackReader::read_tables() const {
    PackTables tables;
    for (std::size_t i = 0; i < k_table_count; ++i) DBUILD_TRY(read_table(static_cast<PackTable>(i), tables));
    return tables;
}

Result<std::vector<PackedLayer>> PackReader::read_layers() const {
    PackTables tables;
    tables.blocks = tables_.blocks; // layers are checked against them
    DBUILD_TRY(read_table(PackTable::layers, tables));
    return std::move(tables.layers);
}

Result<std::string> PackReader::read_block(std::uint32_t number, ZstdFrames& frames, std::string recycled) const {
    if (number >= tables_.blocks.size()) return fail(ErrorKind::corrupt, "pack: no such block in " + path_.string());
    const auto& block = tables_.blocks[number];
    if (block.stored_bytes == block.raw_bytes) {
        DBUILD_TRY(read_at(block.offset, block.stored_bytes, recycled));
        return recycled;
    }
    thread_local std::string stored; // memory that is asked for anew costs more than reading into it
    DBUILD_TRY(read_at(block.offset, block.stored_bytes, stored));
    return frames.decompress(stored, block.raw_bytes, std::move(recycled));
}

Result<Digest> PackReader::hash_file() const {
    Sha256 hasher;
    for (std::uint64_t at = 0; at < bytes_;) {
        DBUILD_TRY_ASSIGN(const auto bytes, read_at(at, std::min<std::uint64_t>(k_max_block_bytes, bytes_ - at)));
        hasher.update(bytes);
        at += bytes.size();
    }
    return hasher.finish();
}

Result<std::string> PackReader::read_at(std::uint64_t offset, std::uint64_t count) const {
    std::string bytes;
    DBUILD_TRY(read_at(offset, count, bytes));
    return bytes;
}

Status PackReader::read_at(std::uint64_t offset, std::uint64_t count, std::string& bytes) const {
    bytes.resize(static_cast<std::size_t>(count));
    for (std::size_t done = 0; done < bytes.size();) {
        const auto got =
            ::pread(fd_.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) // the disk cannot give the bytes again: as good as damaged
            return fail(errno == EIO ? ErrorKind::corrupt : ErrorKind::unavailable,
                        "cannot read " + path_.string() + ": " + std::strerror(errno));
        if (got == 0) return fail(ErrorKind::corrupt, "pack: cut off: " + path_.string());
        done += static_cast<std::size_t>(got);
    }
    return {};
}

} // namespace dbuild::cache::store
