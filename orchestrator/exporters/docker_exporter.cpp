// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/exporters/docker_exporter.hpp"

#include "cache/oci/archive_writer.hpp"
#include "cache/oci/reference.hpp"

#include <algorithm>

namespace dbuild::orchestrator::exporters {
namespace {

namespace oci = cache::oci;

Status send(const Parts& parts, const AssembledImage& image, const std::string& name, const oci::BlobReader& read_layer) {
    std::vector<oci::Descriptor> layers;
    for (const auto& layer : image.root.layers) layers.push_back(layer.descriptor);
    DBUILD_TRY_ASSIGN(const auto archive,
                      oci::ArchiveFile::write({image.config, image.config_json, image.manifest_json, layers, name}, read_layer));
    return parts.engine->load([&](char* buffer, std::size_t capacity) { return archive.read(buffer, capacity); });
}

/// The image under either of the IDs that an engine may know it by: the digest of the manifest (containerd image store) or of
/// the configuration (classic store). The engine's answer to an earlier question says which is the likely one.
Result<std::optional<EngineImage>> find_in_engine(const Parts& parts, const AssembledImage& image) {
    const auto manifest = image.manifest_digest.to_string(), config = image.config_digest.to_string();
    const auto store = parts.engine->image_store();
    DBUILD_TRY_ASSIGN(auto found, parts.engine->find_image(store == ImageStore::classic ? config : manifest));
    if (!found && store == ImageStore::unknown) {
        DBUILD_TRY_ASSIGN(found, parts.engine->find_image(config));
    }
    return found;
}

/// As a delta, an archive without layers; whole where the engine lacks one. It does not always say so: with the
/// snapshots of an image at hand, the containerd store takes it without the blobs (tried, Docker 26.1.5), for instance
/// where BuildKit has them in another compression.
Status load(const Parts& parts, const AssembledImage& image, const std::vector<oci::ImageReference>& references) {
    const auto name = references.empty() ? std::string() : references.front().to_string();
    const Status sent = send(parts, image, name, nullptr);
    if (!sent && sent.error().kind != ErrorKind::not_found) return sent;
    if (sent) {
        if (parts.engine->image_store() == ImageStore::unknown) DBUILD_TRY(find_in_engine(parts, image)); // which tells
        if (parts.engine->image_store() == ImageStore::classic) return {};
        const auto familiar = references.empty() ? std::string() : references.front().familiar();
        DBUILD_TRY_ASSIGN(const bool is_whole, parts.engine->is_whole(image.manifest_digest.to_string(), familiar));
        if (is_whole) return {};
    }
    return send(parts, image, name,
                [&](const Digest& blob, const oci::ByteSink& sink) { return parts.layers->read(blob, sink); });
}

Result<std::vector<oci::ImageReference>> parse_tags(const std::vector<std::string>& tags) {
    std::vector<oci::ImageReference> references;
    for (const auto& tag : tags) {
        auto reference = oci::ImageReference::parse(tag);
        if (!reference) return fail(ErrorKind::usage, "--tag: " + reference.error().message);
        references.push_back(std::move(*reference));
    }
    return references;
}

} // namespace

Result<ExportedImage> export_to_engine(const Parts& parts, const AssembledImage& image, const std::vector<std::string>& tags) {
    DBUILD_TRY_ASSIGN(const auto references, parse_tags(tags));
    ExportedImage exported;
    for (const auto& reference : references) exported.tags.push_back(reference.familiar());
    DBUILD_TRY_ASSIGN(auto present, find_in_engine(parts, image));
    if (!present) {
        DBUILD_TRY(load(parts, image, references));
        exported.was_loaded = true;
        if (parts.engine->image_store() == ImageStore::unknown) {
            DBUILD_TRY_ASSIGN(present, find_in_engine(parts, image));
        } else {
            const bool is_classic = parts.engine->image_store() == ImageStore::classic;
            present.emplace();
            present->id = (is_classic ? image.config_digest : image.manifest_digest).to_string();
            if (!references.empty()) present->tags.push_back(references.front().familiar());
        }
        if (!present) return fail(ErrorKind::internal, "engine: the image is not there after it was loaded");
    }
    exported.id = present->id;
    for (const auto& reference : references)
        if (std::find(present->tags.begin(), present->tags.end(), reference.familiar()) == present->tags.end())
            DBUILD_TRY(parts.engine->tag(exported.id, reference.to_string()));
    return exported;
}

} // namespace dbuild::orchestrator::exporters
