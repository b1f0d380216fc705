// SPDX-License-Identifier: Apache-2.0
#include "cache/oci/archive_writer.hpp"

#include "cache/oci/archive.hpp"

#include <boost/json.hpp>
#include <fcntl.h>
#include <unistd.h>

namespace json = boost::json;

namespace dbuild::cache::oci {
namespace {

std::string blob_path(const Digest& digest) { return "blobs/sha256/" + digest.hex(); }

/// Source: moby/docker-image-spec v1.2, "Combined Image JSON + Filesystem Changeset Format".
std::string docker_manifest(const Digest& config, const ImageToArchive& image) {
    json::array layers, tags;
    for (const auto& layer : image.layers) layers.emplace_back(blob_path(layer.digest));
    if (!image.name.empty()) tags.emplace_back(image.name);
    return json::serialize(json::array{
        json::object{{"Config", blob_path(config)}, {"RepoTags", std::move(tags)}, {"Layers", std::move(layers)}}});
}

} // namespace

Result<ArchiveFile> ArchiveFile::write(const ImageToArchive& image, const BlobReader& read_layer) {
    DBUILD_TRY_ASSIGN(auto folder, TempDir::create("dbuild-load"));
    const auto path = folder.path() / "image.tar";
    Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!fd.is_open()) return fail(ErrorKind::unavailable, "cannot create " + path.string());
    ArchiveFile archive(std::move(folder), path, std::move(fd));
    const auto config = sha256(image.config_json);
    const Descriptor manifest{std::string(k_manifest_type), sha256(image.manifest_json), image.manifest_json.size()};
    DBUILD_TRY(archive.add("oci-layout", R"({"imageLayoutVersion":"1.0.0"})"));
    DBUILD_TRY(archive.add("index.json", make_index_json(manifest, image.config, image.name)));
    DBUILD_TRY(archive.add("manifest.json", docker_manifest(config, image)));
    DBUILD_TRY(archive.add(blob_path(manifest.digest), image.manifest_json));
    DBUILD_TRY(archive.add(blob_path(config), image.config_json));
    auto known = image.left_out; // and what is written: several steps may have made the same layer
    for (const auto& layer : image.layers)
        if (known.insert(layer.digest).second) DBUILD_TRY(archive.add_blob(layer, read_layer));
    DBUILD_TRY(archive.append(std::string(k_tar_end_bytes, '\0')));
    if (::lseek(archive.fd_.get(), 0, SEEK_SET) != 0)
        return fail(ErrorKind::unavailable, "cannot rewind " + path.string());
    return archive;
}

Status ArchiveFile::add(const std::string& name, std::string_view bytes) {
    DBUILD_TRY(append(tar_header(name, bytes.size())));
    DBUILD_TRY(append(bytes));
    return append(tar_padding(bytes.size()));
}

Status ArchiveFile::add_blob(const Descriptor& blob, const BlobReader& read_blob) {
    DBUILD_TRY(append(tar_header(blob_path(blob.digest), blob.size)));
    DBUILD_TRY(read_blob(blob.digest, [&](std::string_view bytes) { return append(bytes); }));
    return append(tar_padding(blob.size));
}

std::size_t ArchiveFile::read(char* buffer, std::size_t capacity) const {
    const auto count = ::read(fd_.get(), buffer, capacity);
    return count > 0 ? static_cast<std::size_t>(count) : 0;
}

} // namespace dbuild::cache::oci
