// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/exporters/docker_exporter.hpp"

#include "cache/oci/archive.hpp"
#include "cache/oci/reference.hpp"
#include "support/files.hpp"

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <set>
#include <unistd.h>

namespace dbuild::orchestrator::exporters {
namespace {

namespace oci = cache::oci;

enum class ArchiveLayers { none, all };

/// An archive member by member; layer bytes are spooled to a file, the rest is small.
class ArchiveWriter {
public:
    static Result<ArchiveWriter> create() {
        DBUILD_TRY_ASSIGN(auto folder, TempDir::create("dbuild-load"));
        const auto path = folder.path() / "image.tar";
        Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        if (!fd.is_open()) return fail(ErrorKind::unavailable, "cannot create " + path.string());
        return ArchiveWriter(std::move(folder), path, std::move(fd));
    }

    Status add(const std::string& name, std::string_view bytes) {
        DBUILD_TRY(write(oci::tar_header(name, bytes.size())));
        DBUILD_TRY(write(bytes));
        return write(oci::tar_padding(bytes.size()));
    }

    Status add_layer(const Parts& parts, const executors::RootLayer& layer) {
        const auto& blob = layer.descriptor;
        DBUILD_TRY(write(oci::tar_header("blobs/sha256/" + blob.digest.hex(), blob.size)));
        DBUILD_TRY(parts.layers->read(blob.digest, [&](std::string_view bytes) { return write(bytes); }));
        return write(oci::tar_padding(blob.size));
    }

    Status finish() {
        DBUILD_TRY(write(std::string(oci::k_tar_end_bytes, '\0')));
        if (::lseek(fd_.get(), 0, SEEK_SET) != 0) return fail(ErrorKind::unavailable, "cannot rewind " + path_.string());
        return {};
    }

    std::size_t read(char* buffer, std::size_t capacity) const {
        const auto count = ::read(fd_.get(), buffer, capacity);
        return count > 0 ? static_cast<std::size_t>(count) : 0;
    }

private:
    ArchiveWriter(TempDir folder, std::filesystem::path path, Fd fd)
        : folder_(std::move(folder)), path_(std::move(path)), fd_(std::move(fd)) {}
    Status write(std::string_view bytes) { return write_all(fd_.get(), bytes, path_); }

    TempDir folder_;
    std::filesystem::path path_;
    Fd fd_;
};

Status send(const Parts& parts, const AssembledImage& image, const std::string& name, ArchiveLayers layers) {
    DBUILD_TRY_ASSIGN(auto archive, ArchiveWriter::create());
    const oci::Descriptor manifest{std::string(oci::k_manifest_type), image.manifest_digest, image.manifest_json.size()};
    DBUILD_TRY(archive.add("oci-layout", R"({"imageLayoutVersion":"1.0.0"})"));
    DBUILD_TRY(archive.add("index.json", oci::make_index_json(manifest, image.config, name)));
    DBUILD_TRY(archive.add("blobs/sha256/" + image.manifest_digest.hex(), image.manifest_json));
    DBUILD_TRY(archive.add("blobs/sha256/" + image.config_digest.hex(), image.config_json));
    std::set<Digest> written; // several steps may have made the same layer
    if (layers == ArchiveLayers::all)
        for (const auto& layer : image.root.layers)
            if (written.insert(layer.descriptor.digest).second)
                DBUILD_TRY(archive.add_layer(parts, layer));
    DBUILD_TRY(archive.finish());
    return parts.engine->load([&](char* buffer, std::size_t capacity) { return archive.read(buffer, capacity); });
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
    ExportedImage exported{image.manifest_digest.to_string(), {}, false};
    for (const auto& reference : references) exported.tags.push_back(reference.familiar());
    DBUILD_TRY_ASSIGN(auto present, parts.engine->find_image(exported.id));
    if (!present) {
        const auto name = references.empty() ? std::string() : references.front().to_string();
        Status sent = send(parts, image, name, ArchiveLayers::none);
        if (!sent && sent.error().kind == ErrorKind::not_found) sent = send(parts, image, name, ArchiveLayers::all);
        DBUILD_TRY(std::move(sent));
        exported.was_loaded = true;
        present.emplace();
        if (!references.empty()) present->tags.push_back(references.front().familiar());
    }
    for (const auto& reference : references)
        if (std::find(present->tags.begin(), present->tags.end(), reference.familiar()) == present->tags.end())
            DBUILD_TRY(parts.engine->tag(exported.id, reference.to_string()));
    return exported;
}

} // namespace dbuild::orchestrator::exporters
