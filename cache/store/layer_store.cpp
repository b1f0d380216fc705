// SPDX-License-Identifier: Apache-2.0
#include "cache/store/layer_store.hpp"

#include "support/compression.hpp"
#include "support/files.hpp"

#include <cerrno>
#include <cstring>
#include <memory>
#include <unistd.h>

namespace fs = std::filesystem;

namespace dbuild::cache::store {
namespace {

/// Hands all bytes on and returns their digest.
Result<Digest> pump(const oci::ByteSource& source, const oci::ByteSink& sink) {
    Sha256 hasher;
    std::string buffer(std::size_t{1} << 18, '\0');
    for (;;) {
        DBUILD_TRY_ASSIGN(const auto count, source(buffer.data(), buffer.size()));
        if (count == 0) return hasher.finish();
        hasher.update({buffer.data(), count});
        DBUILD_TRY(sink({buffer.data(), count}));
    }
}

/// The same for what a zstd file holds.
Result<Digest> unpack(const oci::ByteSource& source, const oci::ByteSink& sink) {
    Sha256 hasher;
    DBUILD_TRY(zstd_decompress_stream(source, [&](std::string_view bytes) {
        hasher.update(bytes);
        return sink(bytes);
    }));
    return hasher.finish();
}

} // namespace

Result<oci::ByteSource> file_source(const fs::path& path) {
    DBUILD_TRY_ASSIGN(Fd fd, open_for_reading(path));
    // std::function must be copyable: the copies of one source share its descriptor.
    auto shared = std::make_shared<Fd>(std::move(fd));
    return oci::ByteSource([shared, path](char* buffer, std::size_t capacity) -> Result<std::size_t> {
        for (;;) {
            const ssize_t count = ::read(shared->get(), buffer, capacity);
            if (count >= 0) return static_cast<std::size_t>(count);
            if (errno != EINTR)
                return fail(ErrorKind::unavailable, "cannot read " + path.string() + ": " + std::strerror(errno));
        }
    });
}

Result<LayerStore> LayerStore::open(const fs::path& root) {
    DBUILD_TRY(make_directories(root / "layers"));
    return LayerStore(root / "layers");
}

fs::path LayerStore::packed_path(const Digest& diff_id) const {
    const auto name = diff_id.hex();
    return folder_ / name.substr(0, 2) / (name + ".tar.zst");
}

fs::path LayerStore::blob_path(const Digest& digest) const {
    const auto name = digest.hex();
    return folder_ / name.substr(0, 2) / (name + ".blob");
}

bool LayerStore::has(const Digest& digest) const {
    std::error_code ignored;
    return fs::exists(packed_path(digest), ignored) || fs::exists(blob_path(digest), ignored);
}

Result<oci::LayerScan> LayerStore::put(const oci::ByteSource& blob, const Digest& expected) const {
    const auto path = packed_path(expected);
    std::optional<AtomicFile> file;
    if (!has(expected)) {
        DBUILD_TRY(make_directories(path.parent_path()));
        DBUILD_TRY_ASSIGN(auto created, AtomicFile::create(path));
        file.emplace(std::move(created));
    }
    std::optional<ZstdWriter> writer;
    if (file) writer.emplace([&](std::string_view bytes) { return file->write(bytes); });
    const auto store_bytes = [&](std::string_view bytes) -> Status { return writer ? writer->write(bytes) : Status(); };
    DBUILD_TRY_ASSIGN(auto scan, oci::scan_layer(blob, store_bytes));
    if (scan.diff_id != expected)
        return fail(ErrorKind::corrupt,
                    "layer " + expected.to_string() + " was delivered with the bytes of " + scan.diff_id.to_string());
    if (file) {
        DBUILD_TRY(writer->finish());
        DBUILD_TRY(file->commit());
    }
    return scan;
}

Status LayerStore::put_blob(const oci::ByteSource& blob, const Digest& digest) const {
    if (has(digest)) return {};
    const auto path = blob_path(digest);
    DBUILD_TRY(make_directories(path.parent_path()));
    DBUILD_TRY_ASSIGN(auto file, AtomicFile::create(path));
    DBUILD_TRY_ASSIGN(const auto found, pump(blob, [&](std::string_view bytes) { return file.write(bytes); }));
    if (found != digest)
        return fail(ErrorKind::corrupt, "blob " + digest.to_string() + " was delivered with the bytes of " + found.to_string());
    return file.commit();
}

Status LayerStore::read(const Digest& digest, const oci::ByteSink& sink) const {
    std::error_code ignored;
    const bool is_packed = fs::exists(packed_path(digest), ignored);
    const auto path = is_packed ? packed_path(digest) : blob_path(digest);
    DBUILD_TRY_ASSIGN(const auto source, file_source(path));
    Result<Digest> found = is_packed ? unpack(source, sink) : pump(source, sink);
    if (found && *found != digest)
        found = fail(ErrorKind::corrupt, "stored layer " + digest.to_string() + " does not match its name");
    if (!found && found.error().kind == ErrorKind::corrupt) fs::remove(path, ignored); // a miss from now on
    if (!found) return fail(std::move(found).error());
    return {};
}

} // namespace dbuild::cache::store
