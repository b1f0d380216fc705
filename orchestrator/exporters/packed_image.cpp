// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/exporters/packed_image.hpp"

#include "cache/oci/byte_source.hpp"
#include "cache/oci/reference.hpp"
#include "support/compression.hpp"
#include "support/files.hpp"
#include "support/gzip_writer.hpp"
#include "support/parallel.hpp"

#include <algorithm>
#include <fcntl.h>
#include <thread>

namespace dbuild::orchestrator::exporters {
namespace {

namespace oci = cache::oci;

/// "…tar.gzip" of Docker's and "…tar+gzip" of OCI's types are the same blobs under two names.
std::string layer_type(const std::string& type, MediaTypes types) {
    for (const auto known : {oci::k_layer_type, oci::k_docker_layer_type}) {
        if (!type.starts_with(known)) continue;
        const auto suffix = type.substr(known.size());
        if (types == MediaTypes::docker)
            return std::string(oci::k_docker_layer_type) + (suffix.empty() ? "" : "." + suffix.substr(1));
        return std::string(oci::k_layer_type) + (suffix.empty() ? "" : "+" + suffix.substr(1));
    }
    return type;
}

std::string packed_type(Compression::Kind kind) {
    const std::string type(oci::k_layer_type);
    switch (kind) {
    case Compression::Kind::gzip: return type + "+gzip";
    case Compression::Kind::zstd: return type + "+zstd";
    case Compression::Kind::uncompressed: break;
    }
    return type;
}

template <class Writer>
Status write_through(const cache::store::LayerStore& layers, const Digest& diff_id, Writer writer) {
    DBUILD_TRY(layers.read(diff_id, [&](std::string_view bytes) { return writer.write(bytes); }));
    return writer.finish();
}

std::size_t core_count() { return std::max(1u, std::thread::hardware_concurrency()); }

/// In: threads — where the kind can use several.
Status pack(const cache::store::LayerStore& layers, const Digest& diff_id, const Compression& compression,
            std::size_t threads, const oci::ByteSink& sink) {
    switch (compression.kind) {
    case Compression::Kind::gzip:
        return write_through(layers, diff_id,
                             GzipWriter(sink, compression.level < 0 ? k_gzip_level : compression.level, threads));
    case Compression::Kind::zstd:
        return write_through(layers, diff_id,
                             ZstdWriter(sink, compression.level < 0 ? k_zstd_level : compression.level));
    case Compression::Kind::uncompressed: break;
    }
    return layers.read(diff_id, sink);
}

class PackedSource : public oci::ImageSource {
public:
    PackedSource(const cache::store::LayerStore& layers, Compression compression, TempDir folder)
        : layers_(layers), compression_(compression), folder_(std::move(folder)) {}

    Result<oci::FetchedManifest> read_manifest(const std::optional<Digest>&) override { return manifest; }
    Status read_blob(const oci::Descriptor& blob, const oci::ByteSink& sink) override {
        if (const auto path = file_of(blob.digest)) {
            DBUILD_TRY_ASSIGN(const auto source, oci::file_source(*path));
            return oci::copy_checked(source, blob, sink);
        }
        if (blob.digest == config.digest) return sink(config_json);
        const auto layer = diff_ids.find(blob.digest);
        if (layer == diff_ids.end()) return layers_.read(blob.digest, sink); // of the base image, as it came
        Sha256 hasher;
        DBUILD_TRY(pack(layers_, layer->second, compression_, core_count(), [&](std::string_view bytes) {
            hasher.update(bytes);
            return sink(bytes);
        }));
        if (hasher.finish() == blob.digest) return {};
        return fail(ErrorKind::corrupt,
                    "layer " + layer->second.to_string() + " was packed to other bytes than before");
    }
    std::optional<std::filesystem::path> file_of(const Digest& digest) override {
        auto path = folder_.path() / digest.hex();
        std::error_code error;
        return std::filesystem::exists(path, error) ? std::optional(std::move(path)) : std::nullopt;
    }
    std::string repository_in(std::string_view host) override { return base.domain == host ? base.path : ""; }

    /// Packs a layer into a file of its own, which read_blob() finds. For several threads.
    Result<cache::store::CompressedLayer> pack_into_file(const Digest& diff_id, std::size_t threads) const {
        const auto unfinished = folder_.path() / ("of-" + diff_id.hex());
        const Fd fd(::open(unfinished.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        if (!fd.is_open()) return fail(ErrorKind::unavailable, "cannot create " + unfinished.string());
        cache::store::CompressedLayer blob{diff_id, {}, 0};
        Sha256 hasher;
        DBUILD_TRY(pack(layers_, diff_id, compression_, threads, [&](std::string_view bytes) {
            hasher.update(bytes);
            blob.size += bytes.size();
            return write_all(fd.get(), bytes, unfinished);
        }));
        blob.digest = hasher.finish();
        std::error_code error;
        std::filesystem::rename(unfinished, folder_.path() / blob.digest.hex(), error);
        if (error) return fail(ErrorKind::unavailable, "cannot rename " + unfinished.string() + ": " + error.message());
        return blob;
    }

    oci::FetchedManifest manifest;
    oci::Descriptor config;
    std::string config_json;
    std::map<Digest, Digest> diff_ids; // of the layers that are packed here, by blob
    oci::ImageReference base;

private:
    const cache::store::LayerStore& layers_;
    Compression compression_;
    TempDir folder_;
};

/// Packs layers side by side, each with its share of the cores. Out: in the order of `diff_ids`.
Result<std::vector<cache::store::CompressedLayer>> pack_all(const PackedSource& source,
                                                            const std::vector<Digest>& diff_ids) {
    std::vector<cache::store::CompressedLayer> blobs(diff_ids.size());
    const auto cores = core_count(), share = std::max<std::size_t>(1, cores / std::max<std::size_t>(1, blobs.size()));
    const auto pack_one = [&](std::size_t i) -> Status {
        DBUILD_TRY_ASSIGN(blobs[i], source.pack_into_file(diff_ids[i], share));
        return {};
    };
    DBUILD_TRY(for_each_parallel(diff_ids.size(), cores, pack_one));
    return blobs;
}

} // namespace

Result<PackedImage> pack_image(const Parts& parts, const AssembledImage& image, const Packing& packing,
                               const std::string& base, const KnownLayersSink& tell_known) {
    const auto& compression = packing.compression;
    DBUILD_TRY_ASSIGN(auto folder, TempDir::create("dbuild-pack"));
    auto source = std::make_unique<PackedSource>(*parts.layers, compression, std::move(folder));
    if (!base.empty())
        if (auto reference = oci::ImageReference::parse(base)) source->base = std::move(*reference);
    const auto name = compression.name();
    const auto is_own = [](const executors::RootLayer& layer) { return layer.descriptor.digest == layer.diff_id; };
    const bool packs = compression.kind != Compression::Kind::uncompressed;
    std::map<Digest, cache::store::CompressedLayer> packed; // by diff_id
    std::vector<Digest> unknown;
    std::vector<oci::Descriptor> ready;
    for (const auto& layer : image.root.layers) {
        if (!packs || !is_own(layer)) {
            ready.push_back(layer.descriptor);
            continue;
        }
        if (packed.contains(layer.diff_id)) continue;
        DBUILD_TRY_ASSIGN(const auto known, parts.index->find_compressed(layer.diff_id, name));
        if (known)
            ready.push_back({packed_type(compression.kind), known->digest, known->size});
        else
            unknown.push_back(layer.diff_id);
        packed[layer.diff_id] = known.value_or(cache::store::CompressedLayer());
    }
    if (tell_known && !unknown.empty()) tell_known(ready);
    PackedImage result;
    DBUILD_TRY_ASSIGN(result.fresh, pack_all(*source, unknown));
    result.packing = name;
    for (const auto& blob : result.fresh) packed[blob.diff_id] = blob;
    const bool is_oci = packing.types == MediaTypes::oci;
    result.config = image.config;
    source->config_json = image.config_json;
    source->config = {std::string(is_oci ? oci::k_config_type : oci::k_docker_config_type), image.config_digest,
                      image.config_json.size()};
    auto& manifest = result.manifest;
    manifest.media_type = is_oci ? oci::k_manifest_type : oci::k_docker_manifest_type;
    manifest.config = source->config;
    for (const auto& layer : image.root.layers) {
        auto descriptor = layer.descriptor;
        if (const auto found = packed.find(layer.diff_id); found != packed.end()) {
            descriptor.media_type = packed_type(compression.kind);
            descriptor.digest = found->second.digest;
            descriptor.size = found->second.size;
            source->diff_ids[descriptor.digest] = layer.diff_id;
        }
        descriptor.media_type = layer_type(descriptor.media_type, packing.types);
        if (!is_oci) descriptor.annotations.clear(); // which Docker's types do not have
        manifest.layers.push_back(std::move(descriptor));
    }
    auto annotations = image.annotations;
    annotations.insert(annotations.end(), packing.annotations.begin(), packing.annotations.end());
    const auto platform = image.config.platform();
    manifest.annotations = select(annotations, Annotation::Level::manifest, platform);
    auto json = manifest.to_json();
    result.root = {manifest.media_type, sha256(json), json.size(),
                   select(annotations, Annotation::Level::manifest_descriptor, platform)};
    source->manifest = {result.root, std::move(json)};
    result.source = std::move(source);
    return result;
}

Status remember_packing(const Parts& parts, const PackedImage& image) {
    return parts.index->record_compressed(image.fresh, image.packing);
}

} // namespace dbuild::orchestrator::exporters
