// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/exporters/image_index.hpp"

#include <map>

namespace dbuild::orchestrator::exporters {
namespace {

namespace oci = cache::oci;

class IndexSource : public oci::ImageSource {
public:
    IndexSource(oci::FetchedManifest index, std::vector<PackedImage> images)
        : index_(std::move(index)), images_(std::move(images)) {
        for (const auto& image : images_) {
            by_manifest_[image.root.digest] = image.source.get();
            by_blob_.emplace(image.manifest.config.digest, image.source.get());
            for (const auto& layer : image.manifest.layers) by_blob_.emplace(layer.digest, image.source.get());
        }
    }

    Result<oci::FetchedManifest> read_manifest(const std::optional<Digest>& digest) override {
        if (!digest || *digest == index_.descriptor.digest) return index_;
        const auto found = by_manifest_.find(*digest);
        if (found == by_manifest_.end()) return fail(ErrorKind::not_found, "no manifest " + digest->to_string());
        return found->second->read_manifest(digest);
    }
    Status read_blob(const oci::Descriptor& blob, const oci::ByteSink& sink) override {
        const auto found = by_blob_.find(blob.digest);
        if (found == by_blob_.end()) return fail(ErrorKind::not_found, "no blob " + blob.digest.to_string());
        return found->second->read_blob(blob, sink);
    }
    std::optional<std::filesystem::path> file_of(const Digest& digest) override {
        const auto found = by_blob_.find(digest);
        return found == by_blob_.end() ? std::nullopt : found->second->file_of(digest);
    }
    std::string repository_in(std::string_view host) override { return images_.front().source->repository_in(host); }

private:
    oci::FetchedManifest index_;
    std::vector<PackedImage> images_;
    std::map<Digest, oci::ImageSource*> by_manifest_, by_blob_; // of images_
};

} // namespace

std::unique_ptr<oci::ImageSource> make_index(std::vector<PackedImage> images,
                                             const std::vector<Annotation>& annotations, MediaTypes types) {
    std::vector<oci::IndexEntry> entries;
    for (const auto& image : images)
        entries.push_back({image.root, image.config.os, image.config.architecture, image.config.variant});
    const bool is_oci = types == MediaTypes::oci;
    oci::FetchedManifest index;
    index.descriptor.media_type = is_oci ? oci::k_index_type : oci::k_docker_index_type;
    index.bytes =
        oci::image_index_json(index.descriptor.media_type, entries, select(annotations, Annotation::Level::index));
    index.descriptor.digest = sha256(index.bytes);
    index.descriptor.size = index.bytes.size();
    index.descriptor.annotations = select(annotations, Annotation::Level::index_descriptor);
    return std::make_unique<IndexSource>(std::move(index), std::move(images));
}

} // namespace dbuild::orchestrator::exporters
