// SPDX-License-Identifier: Apache-2.0
#include "cache/store/layer_store.hpp"

#include "cache/oci/byte_source.hpp"
#include "cache/oci/decompression.hpp"
#include "cache/store/catalog.hpp"
#include "cache/store/layer_reader.hpp"
#include "cache/store/lease.hpp"
#include "cache/store/packer.hpp"
#include "cache/store/spool.hpp"
#include "support/compression.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <sys/stat.h>
#include <thread>
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

/// Where format 1 kept a layer: its tar in one zstd frame. Still read, never written.
fs::path format_1_path(const fs::path& root, const Digest& diff_id) {
    const auto name = diff_id.hex();
    return root / "layers" / name.substr(0, 2) / (name + ".tar.zst");
}

bool exists(const fs::path& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0;
}

bool is_compressed_file(const fs::path& path) {
    const auto source = file_source(path);
    const auto start = source ? oci::read_start(*source, oci::k_compression_mark_bytes) : Result<std::string>();
    return start && oci::is_compressed(*start);
}

Result<oci::LayerScan> scan_checked(const oci::ByteSource& blob, const Digest& expected, const oci::ByteSink& sink) {
    DBUILD_TRY_ASSIGN(auto scan, oci::scan_layer(blob, sink));
    if (scan.diff_id == expected) return scan;
    return fail(ErrorKind::corrupt,
                "layer " + expected.to_string() + " was delivered with the bytes of " + scan.diff_id.to_string());
}

PackerSettings packer_settings() {
    PackerSettings settings;
    settings.compression_threads = std::clamp(std::thread::hardware_concurrency(), 1u, 4u);
    return settings;
}

} // namespace

fs::path blob_path(const fs::path& root, const Digest& digest) {
    const auto name = digest.hex();
    return root / "layers" / name.substr(0, 2) / (name + ".blob");
}

Status read_layer_file(const fs::path& path, const Digest& digest, const oci::ByteSink& sink) {
    DBUILD_TRY_ASSIGN(const auto source, file_source(path));
    DBUILD_TRY_ASSIGN(const auto found, path.extension() == ".zst" ? unpack(source, sink) : pump(source, sink));
    if (found == digest) return {};
    return fail(ErrorKind::corrupt, "stored layer " + digest.to_string() + " does not match its name");
}

struct LayerStore::Impl {
    fs::path root;
    Catalog catalog;
    Lease lease;
    Packer packer; // before all else ends, it finishes

    std::atomic<LayerSource*> source = nullptr;
    std::mutex mutex;
    std::optional<TempDir> overflow; // for what the cache folder does not take
    std::vector<std::string> warnings;

    explicit Impl(fs::path folder)
        : root(std::move(folder)), catalog(root), lease(root), packer(root, catalog, lease, packer_settings()) {}

    /// The layers that dead processes left.
    void adopt_spool() {
        for (const auto* folder : {"spool", "tmp"}) (void)remove_abandoned(root / folder);
        const auto left = list_spool(root);
        if (!left || left->empty() || catalog.is_private()) return;
        for (const auto& diff_id : *left) {
            auto spooled = SpooledLayer::adopt(root, diff_id);
            if (!spooled || !*spooled) continue;
            if (is_packed(diff_id)) // its process died between the two
                (*spooled)->remove();
            else
                packer.add(std::move(*spooled));
        }
    }

    Result<fs::path> overflow_folder() {
        const std::lock_guard lock(mutex);
        if (!overflow) {
            DBUILD_TRY_ASSIGN(auto folder, TempDir::create("dbuild-layers"));
            overflow.emplace(std::move(folder));
        }
        return overflow->path();
    }

    void warn(std::string text) {
        const std::lock_guard lock(mutex);
        warnings.push_back(std::move(text));
    }

    std::optional<fs::path> find_file(const Digest& digest) {
        std::vector<fs::path> candidates{spool_path(root, digest), blob_path(root, digest),
                                         format_1_path(root, digest)};
        {
            const std::lock_guard lock(mutex);
            if (overflow) {
                candidates.push_back(spool_path(overflow->path(), digest));
                candidates.push_back(blob_path(overflow->path(), digest));
            }
        }
        const auto found = std::find_if(candidates.begin(), candidates.end(), exists);
        return found == candidates.end() ? std::nullopt : std::optional(*found);
    }

    /// A pack that is not there was lost, or another process has packed the layer again: then it is listed elsewhere.
    bool is_packed(const Digest& diff_id) {
        for (;;) {
            const auto packs = catalog.packs_of(diff_id);
            if (!packs && packs.error().kind != ErrorKind::corrupt) warn(packs.error().message); // else the index does
            if (!packs || packs->empty()) return false;
            const auto lost = std::find_if(packs->begin(), packs->end(),
                                           [&](const auto& pack) { return !has_whole_file(root, pack); });
            if (lost == packs->end()) return true;
            if (!catalog.forget_lost_pack(*lost)) return false;
        }
    }

    bool is_here(const Digest& digest) {
        lease.protect(digest);
        if (find_file(digest)) return true;
        if (!is_packed(digest)) return false;
        (void)catalog.touch_layer(digest);
        return true;
    }

    /// After a failed read: what is damaged is a miss from now on.
    void clean_up_after(const Digest& diff_id, const ReadProblem& problem) {
        if (problem.bad_pack) {
            (void)catalog.forget_pack(*problem.bad_pack);
            ::unlink(pack_path(root, *problem.bad_pack).c_str());
            return;
        }
        // All blocks were sound by their checksums, but the sum is not: one of the packs is not what its name says, or
        // the recipe.
        if (const auto packs = catalog.packs_of(diff_id))
            for (const auto& pack : *packs) {
                const auto reader = PackReader::open(pack_path(root, pack.name));
                const auto hash = reader ? reader->hash_file() : Result<Digest>(Digest());
                if (hash && *hash == pack.name) continue;
                (void)catalog.forget_pack(pack.name);
                ::unlink(pack_path(root, pack.name).c_str());
            }
        (void)catalog.forget_layers({&diff_id, 1});
    }
};

/// A layer on its way into the spool; where the cache folder fails, it goes on in the temporary folder.
class LayerStore::SpoolSink {
public:
    SpoolSink(LayerStore::Impl& store, const Digest& diff_id) : store_(store), diff_id_(diff_id) {}
    SpoolSink(const SpoolSink&) = delete;
    SpoolSink& operator=(const SpoolSink&) = delete;
    ~SpoolSink() {
        if (layer_) layer_->abandon();
    }

    Status open() {
        if (store_.catalog.is_private()) return move_over();
        auto created = SpooledLayer::create(store_.root, diff_id_);
        if (!created) return move_over(created.error().message);
        layer_ = std::move(*created);
        store_.packer.add(layer_);
        return {};
    }

    /// Out: false — no second name could be made.
    bool open_linked(const fs::path& whole, SpooledLayer::Check check) {
        if (store_.catalog.is_private()) return false;
        auto linked = SpooledLayer::link(store_.root, diff_id_, whole, check);
        if (!linked) return false;
        layer_ = std::move(*linked);
        store_.packer.add(layer_);
        return true;
    }

    Status write(std::string_view bytes) {
        Status done = layer_->write(bytes);
        if (done || is_moved_) return done;
        DBUILD_TRY(move_over(done.error().message));
        return layer_->write(bytes);
    }

    Status publish() {
        Status done = layer_->publish();
        if (done || is_moved_) return done;
        DBUILD_TRY(move_over(done.error().message));
        return layer_->publish();
    }

private:
    Status move_over(const std::string& reason = {}) {
        is_moved_ = true;
        if (!reason.empty()) store_.warn(reason + ": this layer is kept in a temporary folder until dbuild ends");
        DBUILD_TRY_ASSIGN(const auto folder, store_.overflow_folder());
        DBUILD_TRY_ASSIGN(auto moved, SpooledLayer::create(folder, diff_id_));
        const auto previous = std::exchange(layer_, std::move(moved));
        if (!previous) return {};
        previous->abandon();
        return previous->copy_to(*layer_);
    }

    LayerStore::Impl& store_;
    Digest diff_id_;
    std::shared_ptr<SpooledLayer> layer_; // shared with the packer
    bool is_moved_ = false;
};

LayerStore::LayerStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LayerStore::LayerStore(LayerStore&&) noexcept = default;
LayerStore& LayerStore::operator=(LayerStore&&) noexcept = default;
LayerStore::~LayerStore() = default;

Result<LayerStore> LayerStore::open(const fs::path& root, IndexOpening opening) {
    auto impl = std::make_unique<Impl>(root);
    if (opening == IndexOpening::now) DBUILD_TRY(impl->catalog.open());
    impl->adopt_spool();
    return LayerStore(std::move(impl));
}

void LayerStore::set_source(LayerSource* source) const { impl_->source = source; }

bool LayerStore::has(const Digest& digest) const {
    if (impl_->is_here(digest)) return true;
    auto* const source = impl_->source.load();
    return source && source->has(digest);
}

void LayerStore::bring(std::span<const Digest> diff_ids) const {
    auto* const source = impl_->source.load();
    if (!source) return;
    std::vector<Digest> missing;
    for (const auto& diff_id : diff_ids)
        if (!impl_->is_here(diff_id)) missing.push_back(diff_id);
    if (!missing.empty()) source->bring(missing);
}

Result<oci::LayerScan> LayerStore::put(const oci::ByteSource& blob, const Digest& expected) const {
    if (impl_->is_here(expected)) return scan_checked(blob, expected, nullptr);
    SpoolSink spool(*impl_, expected);
    DBUILD_TRY(spool.open());
    DBUILD_TRY_ASSIGN(auto scan,
                      scan_checked(blob, expected, [&](std::string_view bytes) { return spool.write(bytes); }));
    DBUILD_TRY(spool.publish());
    return scan;
}

Result<oci::LayerScan> LayerStore::put_file(const fs::path& blob, const Digest& expected) const {
    DBUILD_TRY_ASSIGN(const auto source, file_source(blob));
    SpoolSink spool(*impl_, expected);
    if (impl_->is_here(expected) || is_compressed_file(blob) ||
        !spool.open_linked(blob, SpooledLayer::Check::before_publishing))
        return put(source, expected);
    DBUILD_TRY_ASSIGN(auto scan, scan_checked(source, expected, nullptr));
    DBUILD_TRY(spool.publish());
    return scan;
}

Status LayerStore::put_written(const fs::path& blob, const Digest& diff_id) const {
    if (impl_->is_here(diff_id)) return {};
    SpoolSink spool(*impl_, diff_id);
    if (spool.open_linked(blob, SpooledLayer::Check::while_packing)) return spool.publish();
    const auto put = put_file(blob, diff_id);
    return put ? Status{} : fail(put.error());
}

Status LayerStore::put_blob(const oci::ByteSource& blob, const Digest& digest) const {
    return receive_blob(
        [&](const oci::ByteSink& sink) -> Status {
            DBUILD_TRY(pump(blob, sink));
            return {};
        },
        digest);
}

Status LayerStore::receive_blob(const std::function<Status(const oci::ByteSink&)>& send, const Digest& digest) const {
    if (impl_->is_here(digest)) return {};
    const auto store_below = [&](const fs::path& root) -> Status {
        const auto path = blob_path(root, digest);
        DBUILD_TRY(make_directories(path.parent_path()));
        DBUILD_TRY(make_directories(root / "tmp"));
        DBUILD_TRY_ASSIGN(auto file, TemporaryFile::create(root / "tmp"));
        Sha256 hasher;
        DBUILD_TRY(send([&](std::string_view bytes) {
            hasher.update(bytes);
            return file.write(bytes);
        }));
        if (const auto found = hasher.finish(); found != digest)
            return fail(ErrorKind::corrupt,
                        "blob " + digest.to_string() + " was delivered with the bytes of " + found.to_string());
        return file.commit(path);
    };
    if (!impl_->catalog.is_private()) return store_below(impl_->root);
    DBUILD_TRY_ASSIGN(const auto folder, impl_->overflow_folder());
    return store_below(folder);
}

Status LayerStore::read(const Digest& digest, const oci::ByteSink& sink) const {
    bring({&digest, 1});
    impl_->lease.protect(digest);
    if (const auto path = impl_->find_file(digest)) {
        Status done = read_layer_file(*path, digest, sink);
        if (!done && done.error().kind == ErrorKind::corrupt) ::unlink(path->c_str()); // a miss from now on
        if (done || done.error().kind != ErrorKind::not_found) return done;            // else it was packed just now
    }
    ReadProblem problem;
    Status done = read_packed_layer(impl_->root, impl_->catalog, digest, sink, problem);
    if (!done && done.error().kind == ErrorKind::corrupt) impl_->clean_up_after(digest, problem);
    return done;
}

Status LayerStore::repack(const Digest& diff_id) const {
    DBUILD_TRY_ASSIGN(const auto spooled, SpooledLayer::create(impl_->root, diff_id));
    impl_->packer.add(spooled);
    ReadProblem problem;
    Status done = read_packed_layer(
        impl_->root, impl_->catalog, diff_id, [&](std::string_view bytes) { return spooled->write(bytes); }, problem);
    if (done) done = spooled->publish();
    if (!done) spooled->abandon();
    return done;
}

void LayerStore::begin_flush() const { impl_->packer.begin_finish(); }

Status LayerStore::flush() const { return impl_->packer.finish(); }

std::vector<std::string> LayerStore::take_warnings() const {
    auto warnings = impl_->catalog.take_warnings();
    const std::lock_guard lock(impl_->mutex);
    for (auto& text : std::exchange(impl_->warnings, {})) warnings.push_back(std::move(text));
    return warnings;
}

Catalog& LayerStore::catalog() const { return impl_->catalog; }
const fs::path& LayerStore::root() const { return impl_->root; }

} // namespace dbuild::cache::store
