// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/local_images.hpp"

#include "cache/oci/archive_stream.hpp"
#include "cache/oci/byte_source.hpp"
#include "cache/oci/image_archive.hpp"
#include "orchestrator/exporters/packed_image.hpp"
#include "orchestrator/kept_image.hpp"
#include "support/files.hpp"
#include "support/platform.hpp"

#include <algorithm>

namespace oci = dbuild::cache::oci;

namespace dbuild::orchestrator {
namespace {

/// Of an index whose platforms are not all in the archive, the image of this machine's platform.
class SavedImage : public oci::ImageSource {
public:
    /// In: folder — where the archive is, if it is in a file.
    SavedImage(std::optional<TempDir> folder, std::unique_ptr<oci::ImageSource> archive)
        : folder_(std::move(folder)), archive_(std::move(archive)) {}

    Result<oci::FetchedManifest> read_manifest(const std::optional<Digest>& digest) override {
        DBUILD_TRY_ASSIGN(auto manifest, archive_->read_manifest(digest));
        if (digest || !oci::is_index_type(manifest.descriptor.media_type)) return manifest;
        DBUILD_TRY_ASSIGN(const auto entries, oci::parse_index(manifest.bytes));
        const bool is_whole = std::all_of(entries.begin(), entries.end(), [&](const auto& entry) {
            return archive_->read_manifest(entry.descriptor.digest).has_value();
        });
        if (is_whole) return manifest;
        return oci::read_platform_manifest(*archive_, native_platform());
    }
    Status read_blob(const oci::Descriptor& blob, const oci::ByteSink& sink) override {
        return archive_->read_blob(blob, sink);
    }

private:
    std::optional<TempDir> folder_;
    std::unique_ptr<oci::ImageSource> archive_;
};

Result<EngineImage> find_in_engine(const Parts& parts, const oci::ImageReference& name) {
    DBUILD_TRY_ASSIGN(auto found, parts.engine->find_image(name.familiar()));
    if (!found) return fail(ErrorKind::not_found, "the engine has no image " + name.familiar());
    return std::move(*found);
}

} // namespace

Result<std::unique_ptr<oci::ImageSource>> make_engine_source(const Parts& parts, const oci::ImageReference& name) {
    DBUILD_TRY_ASSIGN(const auto found, find_in_engine(parts, name));
    DBUILD_TRY_ASSIGN(auto folder, TempDir::create("dbuild-copy"));
    const auto path = folder.path() / "image.tar";
    DBUILD_TRY(parts.engine->save(found.id, path));
    DBUILD_TRY_ASSIGN(auto archive, oci::make_archive_source(path, ""));
    return std::make_unique<SavedImage>(std::move(folder), std::move(archive));
}

Result<oci::CopyReport> copy_from_engine(const Parts& parts, const oci::ImageReference& name, oci::ImageTarget& to) {
    DBUILD_TRY_ASSIGN(const auto found, find_in_engine(parts, name));
    if (const auto id = Digest::parse(found.id)) { // with the classic store no name of an image: then it is not found
        DBUILD_TRY_ASSIGN(const auto presence, to.find_image({"", *id, 0}));
        if (presence == oci::ImageTarget::Presence::complete) {
            oci::CopyReport report;
            report.digest = *id;
            report.was_complete = true;
            return report;
        }
    }
    oci::PassedArchive passed;
    DBUILD_TRY(oci::pull_what_is_pushed([&](const oci::ByteSink& sink) { return parts.engine->save(found.id, sink); },
                                        [&](const oci::ByteSource& archive) -> Status {
                                            DBUILD_TRY_ASSIGN(passed, oci::pass_archive(archive, to));
                                            return {};
                                        }));
    SavedImage image(std::nullopt, std::move(passed.texts));
    DBUILD_TRY_ASSIGN(auto report, oci::copy_image(image, to)); // which finds there what has passed
    const auto& before = passed.report;
    report.blobs_there -= std::min(report.blobs_there, before.blobs_moved + before.blobs_mounted);
    report.blobs_moved += before.blobs_moved;
    report.blobs_mounted += before.blobs_mounted;
    report.bytes_moved += before.bytes_moved;
    return report;
}

Result<std::unique_ptr<oci::ImageSource>> make_cache_source(const Parts& parts, const oci::ImageReference& name) {
    DBUILD_TRY_ASSIGN(const auto image, find_in_cache(parts, name));
    if (!image) return fail(ErrorKind::not_found, name.familiar() + " is not in the cache");
    DBUILD_TRY(require_layers(parts, *image));
    DBUILD_TRY_ASSIGN(auto packed, exporters::pack_image(parts, *image, {}, ""));
    DBUILD_TRY(exporters::remember_packing(parts, packed));
    return std::move(packed.source);
}

Result<std::optional<AssembledImage>> find_in_cache(const Parts& parts, const oci::ImageReference& name) {
    DBUILD_TRY_ASSIGN(const auto kept, find_image_of_tag(parts.layers->root(), name.familiar()));
    if (!kept) return std::nullopt;
    return assembled(parts, *kept);
}

Status require_layers(const Parts& parts, const AssembledImage& image) {
    for (const auto& layer : image.root.layers)
        if (!parts.layers->has(layer.descriptor.digest))
            return fail(ErrorKind::not_found, "layer " + layer.diff_id.to_string() + " is not in the cache");
    return {};
}

Result<AssembledImage> read_image(oci::ImageSource& source, const oci::FetchedManifest& fetched) {
    AssembledImage image;
    DBUILD_TRY_ASSIGN(const auto manifest, oci::Manifest::parse(fetched.bytes));
    DBUILD_TRY_ASSIGN(image.config_json, oci::read_config(source, manifest.config));
    DBUILD_TRY_ASSIGN(image.config, oci::ImageConfig::parse(image.config_json));
    if (manifest.layers.size() != image.config.diff_ids.size())
        return fail(ErrorKind::corrupt, "the image has other layers than its configuration says");
    std::map<Digest, oci::Descriptor> blobs;
    for (std::size_t i = 0; i < manifest.layers.size(); ++i) {
        image.root.layers.push_back({image.config.diff_ids[i], manifest.layers[i].size, manifest.layers[i]});
        blobs[manifest.layers[i].digest] = manifest.layers[i];
    }
    image.manifest_json = fetched.bytes;
    image.manifest_digest = fetched.descriptor.digest;
    image.config_digest = manifest.config.digest;
    image.read_layer = [&source, blobs](const Digest& blob, const oci::ByteSink& sink) {
        return source.read_blob(blobs.at(blob), sink);
    };
    return image;
}

Result<exporters::ExportedImage> bring_to_engine(const Parts& parts, AssembledImage image,
                                                 const std::vector<std::string>& tags) {
    DBUILD_TRY(exporters::expect_layers_of(parts, tags, image));
    return exporters::export_to_engine(parts, image, tags);
}

} // namespace dbuild::orchestrator
