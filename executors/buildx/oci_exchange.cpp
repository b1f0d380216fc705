// SPDX-License-Identifier: Apache-2.0
#include "executors/buildx/oci_exchange.hpp"

#include "cache/oci/tar_header.hpp"
#include "executors/buildx/prefix_image.hpp"
#include "support/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>

namespace fs = std::filesystem;
namespace oci = dbuild::cache::oci;

namespace dbuild::executors::buildx {
namespace {

const std::string& empty_layer() {
    static const std::string bytes(oci::k_tar_end_bytes, '\0');
    return bytes;
}

Status write_layer(const fs::path& path, const Digest& blob, const LayerReader& read_layer) {
    if (blob == sha256(empty_layer())) return write_file(path, empty_layer());
    Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd.is_open()) return fail(ErrorKind::unavailable, "cannot create " + path.string());
    return read_layer(blob, [&](std::string_view bytes) { return write_all(fd.get(), bytes, path); });
}

class OciExchange final : public LayerExchange {
public:
    explicit OciExchange(fs::path folder) : folder_(std::move(folder)) {}

    Result<std::vector<std::string>> hand_in(const Segment& segment, LayerBlobs blobs,
                                             const LayerReader& read_layer) override {
        std::vector<std::string> words = {"--output", "type=oci,tar=false,compression=uncompressed,dest=" +
                                                          (folder_ / "output").string()};
        const auto root = with_seam(segment.root).root;
        DBUILD_TRY(add_context(k_root_name, root, blobs, read_layer, words));
        for (const auto& source : segment.sources)
            DBUILD_TRY(add_context(source.name, with_seam(source.root).root, blobs, read_layer, words));
        DBUILD_TRY(make_directories(output_blobs()));
        for (const auto& layer : root.layers)
            DBUILD_TRY(write_file(output_blobs() / layer.descriptor.digest.hex(), ""));
        return words;
    }

    Result<std::vector<ExportedLayer>> take_out(const Segment& segment, const LayerReader& read_layer) override {
        DBUILD_TRY_ASSIGN(const auto index_json, read_file(folder_ / "output" / "index.json"));
        DBUILD_TRY_ASSIGN(const auto index, oci::parse_index(index_json));
        if (index.size() != 1) return fail(ErrorKind::internal, "docker buildx exported no single image");
        DBUILD_TRY_ASSIGN(const auto manifest_json, read_file(output_blobs() / index.front().descriptor.digest.hex()));
        DBUILD_TRY_ASSIGN(const auto manifest, oci::Manifest::parse(manifest_json));
        DBUILD_TRY_ASSIGN(const auto config_json, read_file(output_blobs() / manifest.config.digest.hex()));
        DBUILD_TRY_ASSIGN(const auto config, oci::ImageConfig::parse(config_json));
        if (config.diff_ids.size() != manifest.layers.size())
            return fail(ErrorKind::internal, "docker buildx exported other layers than its configuration says");
        std::vector<ExportedLayer> layers;
        for (std::size_t i = 0; i < config.diff_ids.size(); ++i)
            layers.push_back({config.diff_ids[i], output_blobs() / manifest.layers[i].digest.hex()});
        // A new layer with the bytes of one below (two RUNs that change nothing) was skipped too: its file is a
        // placeholder.
        std::error_code absent; // whoever reads a blob that is not there says so
        for (std::size_t i = with_seam(segment.root).root.layers.size(); i < layers.size(); ++i)
            if (fs::file_size(layers[i].blob, absent) == 0)
                DBUILD_TRY(write_layer(layers[i].blob, manifest.layers[i].digest, read_layer));
        if (const auto seam = with_seam(segment.root).seam) {
            if (*seam >= layers.size())
                return fail(ErrorKind::internal, "docker buildx exported fewer layers than it was given");
            layers.erase(layers.begin() + static_cast<std::ptrdiff_t>(*seam));
        }
        return layers;
    }

private:
    fs::path output_blobs() const { return folder_ / "output" / "blobs" / "sha256"; }

    Status add_context(std::string_view name, const RootFileSystem& root, LayerBlobs blobs,
                       const LayerReader& read_layer, std::vector<std::string>& words) const {
        const auto layout = folder_ / name;
        DBUILD_TRY_ASSIGN(const auto digest, write_oci_layout(layout, root, blobs, read_layer));
        words.insert(words.end(), {"--build-context",
                                   fmt::format("{}=oci-layout://{}@{}", name, layout.string(), digest.to_string())});
        return {};
    }

    fs::path folder_;
};

} // namespace

std::unique_ptr<LayerExchange> make_oci_exchange(fs::path folder) {
    return std::make_unique<OciExchange>(std::move(folder));
}

SeamedRoot with_seam(RootFileSystem root) {
    const auto lowest = std::find_if(root.layers.begin(), root.layers.end(),
                                     [](const auto& layer) { return layer.is_made_in_process; });
    if (lowest == root.layers.end()) return {std::move(root), std::nullopt};
    const auto seam = static_cast<std::size_t>(lowest - root.layers.begin());
    const auto digest = sha256(empty_layer());
    root.layers.insert(lowest,
                       {digest, empty_layer().size(), oci::uncompressed_layer(digest, empty_layer().size()), true});
    return {std::move(root), seam};
}

Result<Digest> write_oci_layout(const fs::path& folder, const RootFileSystem& root, LayerBlobs blobs,
                                const LayerReader& read_layer) {
    const auto blob_folder = folder / "blobs" / "sha256";
    DBUILD_TRY(make_directories(blob_folder));
    const auto image = make_prefix_image(root);
    for (const auto& layer : root.layers) {
        const auto path = blob_folder / layer.descriptor.digest.hex();
        if (fs::exists(path)) continue;
        if (blobs == LayerBlobs::real || layer.is_made_in_process)
            DBUILD_TRY(write_layer(path, layer.descriptor.digest, read_layer));
        else
            DBUILD_TRY(write_file(path, ""));
    }
    const oci::Descriptor manifest{std::string(oci::k_manifest_type), image.manifest_digest,
                                   image.manifest_json.size()};
    DBUILD_TRY(write_file(blob_folder / image.config_digest.hex(), image.config_json));
    DBUILD_TRY(write_file(blob_folder / manifest.digest.hex(), image.manifest_json));
    DBUILD_TRY(write_file(folder / "oci-layout", R"({"imageLayoutVersion":"1.0.0"})"));
    DBUILD_TRY(write_file(folder / "index.json", oci::make_index_json(manifest, image.config, {})));
    return manifest.digest;
}

} // namespace dbuild::executors::buildx
