// SPDX-License-Identifier: Apache-2.0
#include "executors/buildx/image_exchange.hpp"

#include "cache/oci/archive.hpp"
#include "cache/oci/archive_writer.hpp"
#include "executors/buildx/prefix_image.hpp"
#include "support/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>

namespace fs = std::filesystem;
namespace oci = dbuild::cache::oci;

namespace dbuild::executors::buildx {
namespace {

class ImageExchange final : public LayerExchange {
public:
    ImageExchange(fs::path folder, const EngineImages& engine) : folder_(std::move(folder)), engine_(engine) {}
    ~ImageExchange() override {
        for (const auto& name : names_) (void)engine_.remove(name); // a name that stays does no harm
    }

    Result<std::vector<std::string>> hand_in(const Segment& segment, LayerBlobs,
                                             const LayerReader& read_layer) override {
        std::vector<std::string> words;
        DBUILD_TRY(add_context(k_root_name, segment.root, read_layer, words));
        for (const auto& source : segment.sources) DBUILD_TRY(add_context(source.name, source.root, read_layer, words));
        words.insert(words.end(), {"--output", "type=docker", "--tag", new_name("result")});
        return words;
    }

    Result<std::vector<ExportedLayer>> take_out(const Segment& segment, const LayerReader&) override {
        const auto path = folder_ / "result.tar";
        DBUILD_TRY(engine_.save(names_.back(), path));
        DBUILD_TRY_ASSIGN(const auto archive, oci::Archive::open(path));
        DBUILD_TRY_ASSIGN(const auto index_json, archive.read_file("index.json"));
        DBUILD_TRY_ASSIGN(const auto index, oci::parse_index(index_json));
        if (index.size() != 1)
            return fail(ErrorKind::internal, "engine: the archive of a segment holds no single image");
        DBUILD_TRY_ASSIGN(const auto manifest_json, archive.read_blob(index.front().descriptor.digest));
        DBUILD_TRY_ASSIGN(const auto manifest, oci::Manifest::parse(manifest_json));
        DBUILD_TRY_ASSIGN(const auto config_json, archive.read_blob(manifest.config.digest));
        DBUILD_TRY_ASSIGN(const auto config, oci::ImageConfig::parse(config_json));
        if (config.diff_ids.size() != manifest.layers.size())
            return fail(ErrorKind::internal,
                        "engine: the archive of a segment has other layers than its configuration says");
        std::vector<ExportedLayer> layers;
        for (std::size_t i = 0; i < config.diff_ids.size(); ++i) {
            layers.push_back({config.diff_ids[i], folder_ / config.diff_ids[i].hex()});
            if (i >= segment.root.layers.size())
                DBUILD_TRY(extract(archive, manifest.layers[i].digest, layers.back().blob));
        }
        return layers;
    }

private:
    std::string new_name(std::string_view role) {
        // The folder is this call's own, so the names are too. BuildKit keys an image by its content, not by its name.
        names_.push_back(fmt::format("dbuild-segment:{}-{}", sha256(folder_.string()).hex().substr(0, 16), role));
        return names_.back();
    }

    Status add_context(std::string_view name, const RootFileSystem& root, const LayerReader& read_layer,
                       std::vector<std::string>& words) {
        auto prefix = make_prefix_image(root);
        const auto image_name = new_name(name);
        oci::ImageToArchive image{prefix.config, prefix.config_json, prefix.manifest_json, prefix.layers, image_name};
        for (const auto& layer : prefix.layers) image.left_out.insert(layer.digest);
        Status loaded = load(image, read_layer);
        if (!loaded && loaded.error().kind == ErrorKind::not_found) {
            image.left_out.clear();
            loaded = load(image, read_layer);
        }
        DBUILD_TRY(std::move(loaded));
        words.insert(words.end(), {"--build-context", fmt::format("{}=docker-image://{}", name, image_name)});
        return {};
    }

    Status load(const oci::ImageToArchive& image, const oci::BlobReader& read_layer) const {
        return oci::stream_archive(image, read_layer, engine_.load);
    }

    static Status extract(const oci::Archive& archive, const Digest& blob, const fs::path& path) {
        DBUILD_TRY_ASSIGN(const auto source, archive.blob_source(blob));
        Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
        if (!fd.is_open()) return fail(ErrorKind::unavailable, "cannot create " + path.string());
        std::string buffer(std::size_t{1} << 16, '\0');
        for (;;) {
            DBUILD_TRY_ASSIGN(const auto count, source(buffer.data(), buffer.size()));
            if (count == 0) return {};
            DBUILD_TRY(write_all(fd.get(), {buffer.data(), count}, path));
        }
    }

    fs::path folder_;
    const EngineImages& engine_;
    std::vector<std::string> names_;
};

} // namespace

std::unique_ptr<LayerExchange> make_image_exchange(fs::path folder, const EngineImages& engine) {
    return std::make_unique<ImageExchange>(std::move(folder), engine);
}

} // namespace dbuild::executors::buildx
