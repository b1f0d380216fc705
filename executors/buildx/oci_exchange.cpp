// SPDX-License-Identifier: Apache-2.0
#include "executors/buildx/oci_exchange.hpp"

#include "executors/buildx/prefix_image.hpp"
#include "support/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>

namespace fs = std::filesystem;
namespace oci = dbuild::cache::oci;

namespace dbuild::executors::buildx {
namespace {

Status write_layer(const fs::path& path, const Digest& blob, const LayerReader& read_layer) {
    Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd.is_open()) return fail(ErrorKind::unavailable, "cannot create " + path.string());
    return read_layer(blob, [&](std::string_view bytes) { return write_all(fd.get(), bytes, path); });
}

class OciExchange final : public LayerExchange {
public:
    explicit OciExchange(fs::path folder) : folder_(std::move(folder)) {}

    Result<std::vector<std::string>> hand_in(const Segment& segment, LayerBlobs blobs, const LayerReader& read_layer) override {
        std::vector<std::string> words = {
            "--output", "type=oci,tar=false,compression=uncompressed,dest=" + (folder_ / "output").string()};
        DBUILD_TRY(add_context(k_root_name, segment.root, blobs, read_layer, words));
        for (const auto& source : segment.sources)
            DBUILD_TRY(add_context(source.name, source.root, blobs, read_layer, words));
        DBUILD_TRY(make_directories(output_blobs()));
        for (const auto& layer : segment.root.layers)
            DBUILD_TRY(write_file(output_blobs() / layer.descriptor.digest.hex(), ""));
        return words;
    }

    Result<std::vector<ExportedLayer>> take_out(const Segment&) override {
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
        return layers;
    }

private:
    fs::path output_blobs() const { return folder_ / "output" / "blobs" / "sha256"; }

    Status add_context(std::string_view name, const RootFileSystem& root, LayerBlobs blobs, const LayerReader& read_layer,
                       std::vector<std::string>& words) const {
        const auto layout = folder_ / name;
        DBUILD_TRY_ASSIGN(const auto digest, write_oci_layout(layout, root, blobs, read_layer));
        words.insert(words.end(),
                     {"--build-context", fmt::format("{}=oci-layout://{}@{}", name, layout.string(), digest.to_string())});
        return {};
    }

    fs::path folder_;
};

} // namespace

std::unique_ptr<LayerExchange> make_oci_exchange(fs::path folder) { return std::make_unique<OciExchange>(std::move(folder)); }

Result<Digest> write_oci_layout(const fs::path& folder, const RootFileSystem& root, LayerBlobs blobs,
                                const LayerReader& read_layer) {
    const auto blob_folder = folder / "blobs" / "sha256";
    DBUILD_TRY(make_directories(blob_folder));
    const auto image = make_prefix_image(root);
    for (const auto& layer : image.layers) {
        const auto path = blob_folder / layer.digest.hex();
        if (fs::exists(path)) continue;
        if (blobs == LayerBlobs::real)
            DBUILD_TRY(write_layer(path, layer.digest, read_layer));
        else
            DBUILD_TRY(write_file(path, ""));
    }
    const oci::Descriptor manifest{std::string(oci::k_manifest_type), image.manifest_digest, image.manifest_json.size()};
    DBUILD_TRY(write_file(blob_folder / image.config_digest.hex(), image.config_json));
    DBUILD_TRY(write_file(blob_folder / manifest.digest.hex(), image.manifest_json));
    DBUILD_TRY(write_file(folder / "oci-layout", R"({"imageLayoutVersion":"1.0.0"})"));
    DBUILD_TRY(write_file(folder / "index.json", oci::make_index_json(manifest, image.config, {})));
    return manifest.digest;
}

} // namespace dbuild::executors::buildx
