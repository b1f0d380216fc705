// SPDX-License-Identifier: Apache-2.0
#include "cache/oci/image_archive.hpp"

#include "cache/oci/byte_source.hpp"
#include "cache/oci/layout_folder.hpp"
#include "cache/oci/tar_header.hpp"

#include <boost/json.hpp>

#include <set>
#include <utility>

namespace json = boost::json;

namespace dbuild::cache::oci {
namespace {

class ArchiveSource : public ImageSource {
public:
    ArchiveSource(Archive archive, std::string name) : archive_(std::move(archive)), name_(std::move(name)) {}
    Result<FetchedManifest> read_manifest(const std::optional<Digest>& digest) override {
        Digest wanted;
        if (digest) {
            wanted = *digest;
        } else {
            DBUILD_TRY_ASSIGN(const auto index, archive_.read_file("index.json"));
            DBUILD_TRY_ASSIGN(const auto found, find_in_layout(index, name_));
            wanted = found.digest;
        }
        DBUILD_TRY_ASSIGN(auto bytes, archive_.read_blob(wanted));
        DBUILD_TRY_ASSIGN(auto type, manifest_type_of(bytes));
        return FetchedManifest{{std::move(type), wanted, bytes.size()}, std::move(bytes)};
    }
    Status read_blob(const Descriptor& blob, const ByteSink& sink) override {
        DBUILD_TRY_ASSIGN(const auto source, archive_.blob_source(blob.digest));
        return copy_checked(source, blob, sink);
    }

private:
    Archive archive_;
    std::string name_;
};

} // namespace

struct ArchiveTarget::Impl {
    ByteSink sink;
    std::vector<std::string> names;
    bool has_begun = false;
    std::set<Digest> written;
    json::array index, docker_manifest;

    Status add(const std::string& name, std::string_view bytes) {
        DBUILD_TRY(sink(tar_header(name, bytes.size())));
        DBUILD_TRY(sink(bytes));
        return sink(tar_padding(bytes.size()));
    }

    void enter(const FetchedManifest& manifest) {
        json::object entry{{"mediaType", manifest.descriptor.media_type},
                           {"digest", manifest.descriptor.digest.to_string()},
                           {"size", manifest.descriptor.size}};
        json::object given;
        for (const auto& [name, value] : manifest.descriptor.annotations) given[name] = value;
        if (!given.empty()) entry["annotations"] = given;
        if (names.empty()) index.emplace_back(entry);
        for (const auto& name : names) {
            auto annotations = given;
            annotations[k_docker_name_annotation] = name;
            annotations[k_name_annotation] = name.substr(name.rfind(':') + 1);
            entry["annotations"] = std::move(annotations);
            index.emplace_back(entry);
        }
    }

    /// For readers that know no OCI layout. Source: moby/docker-image-spec v1.2, "Combined Image JSON".
    Status enter_for_docker(const FetchedManifest& manifest) {
        if (is_index_type(manifest.descriptor.media_type)) return {};
        DBUILD_TRY_ASSIGN(const auto image, Manifest::parse(manifest.bytes));
        json::array layers, tags;
        for (const auto& layer : image.layers) layers.emplace_back(blob_member(layer.digest));
        for (const auto& name : names) tags.emplace_back(name);
        docker_manifest.emplace_back(json::object{{"Config", blob_member(image.config.digest)},
                                                  {"RepoTags", std::move(tags)},
                                                  {"Layers", std::move(layers)}});
        return {};
    }
};

ArchiveTarget::ArchiveTarget(ByteSink sink) : impl_(std::make_unique<Impl>()) { impl_->sink = std::move(sink); }
ArchiveTarget::~ArchiveTarget() = default;

void ArchiveTarget::set_names(std::vector<std::string> names) { impl_->names = std::move(names); }

Result<ImageTarget::Presence> ArchiveTarget::find_image(const Descriptor&) {
    if (!std::exchange(impl_->has_begun, true))
        DBUILD_TRY(impl_->add("oci-layout", R"({"imageLayoutVersion":"1.0.0"})"));
    return Presence::absent;
}

Result<PushOutcome> ArchiveTarget::put_blob(const Descriptor& blob, ImageSource& from) {
    if (!impl_->written.insert(blob.digest).second) return PushOutcome::was_there;
    DBUILD_TRY(impl_->sink(tar_header(blob_member(blob.digest), blob.size)));
    DBUILD_TRY(from.read_blob(blob, impl_->sink));
    DBUILD_TRY(impl_->sink(tar_padding(blob.size)));
    return PushOutcome::uploaded;
}

Status ArchiveTarget::put_manifest(const FetchedManifest& manifest, Role role) {
    if (impl_->written.insert(manifest.descriptor.digest).second)
        DBUILD_TRY(impl_->add(blob_member(manifest.descriptor.digest), manifest.bytes));
    if (role != Role::root) return {};
    impl_->enter(manifest);
    return impl_->enter_for_docker(manifest);
}

Status ArchiveTarget::finish() {
    DBUILD_TRY(impl_->add(
        "index.json",
        json::serialize(json::object{{"schemaVersion", 2}, {"mediaType", k_index_type}, {"manifests", impl_->index}})));
    if (!impl_->docker_manifest.empty())
        DBUILD_TRY(impl_->add("manifest.json", json::serialize(impl_->docker_manifest)));
    return impl_->sink(std::string(k_tar_end_bytes, '\0'));
}

Result<std::unique_ptr<ImageSource>> make_archive_source(const std::filesystem::path& archive, std::string name) {
    DBUILD_TRY_ASSIGN(auto opened, Archive::open(archive));
    return make_archive_source(std::move(opened), std::move(name));
}

std::unique_ptr<ImageSource> make_archive_source(Archive archive, std::string name) {
    return std::make_unique<ArchiveSource>(std::move(archive), std::move(name));
}

} // namespace dbuild::cache::oci
