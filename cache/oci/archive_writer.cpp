// SPDX-License-Identifier: Apache-2.0
#include "cache/oci/archive_writer.hpp"

#include "cache/oci/archive.hpp"
#include "cache/oci/byte_source.hpp"
#include "cache/oci/tar_header.hpp"
#include "support/http.hpp"

#include <boost/json.hpp>

namespace json = boost::json;

namespace dbuild::cache::oci {
namespace {

/// Source: moby/docker-image-spec v1.2, "Combined Image JSON + Filesystem Changeset Format".
std::string docker_manifest(const Digest& config, const ImageToArchive& image) {
    json::array layers, tags;
    for (const auto& layer : image.layers) layers.emplace_back(blob_member(layer.digest));
    if (!image.name.empty()) tags.emplace_back(image.name);
    return json::serialize(json::array{
        json::object{{"Config", blob_member(config)}, {"RepoTags", std::move(tags)}, {"Layers", std::move(layers)}}});
}

std::string member(const std::string& name, std::string_view bytes) {
    return tar_header(name, bytes.size()).append(bytes).append(tar_padding(bytes.size()));
}

Status write_archive(const ImageToArchive& image, const BlobReader& read_layer, const ByteSink& sink) {
    const auto config = sha256(image.config_json);
    const Descriptor manifest{std::string(k_manifest_type), sha256(image.manifest_json), image.manifest_json.size()};
    DBUILD_TRY(sink(member("oci-layout", R"({"imageLayoutVersion":"1.0.0"})") +
                    member("index.json", make_index_json(manifest, image.config, image.name, image.companion)) +
                    member("manifest.json", docker_manifest(config, image)) +
                    member(blob_member(manifest.digest), image.manifest_json) +
                    member(blob_member(config), image.config_json)));
    auto known = image.left_out; // and what is written: several steps may have made the same layer
    for (const auto& layer : image.layers) {
        if (!known.insert(layer.digest).second) continue;
        DBUILD_TRY(sink(tar_header(blob_member(layer.digest), layer.size)));
        DBUILD_TRY(read_layer(layer.digest, sink));
        DBUILD_TRY(sink(tar_padding(layer.size)));
    }
    return sink(std::string(k_tar_end_bytes, '\0'));
}

} // namespace

Status stream_archive(const ImageToArchive& image, const BlobReader& read_layer,
                      const std::function<Status(const ArchiveReader&)>& take) {
    const auto push = [&](const ByteSink& sink) { return write_archive(image, read_layer, sink); };
    return pull_what_is_pushed(push, [&](const ByteSource& source) {
        return take(
            [&](char* buffer, std::size_t capacity) { return source(buffer, capacity).value_or(k_broken_body); });
    });
}

} // namespace dbuild::cache::oci
