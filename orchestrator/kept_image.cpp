// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/kept_image.hpp"

#include "support/files.hpp"
#include "support/http.hpp"

#include <boost/json.hpp>

#include <algorithm>

namespace fs = std::filesystem;
namespace json = boost::json;
namespace oci = dbuild::cache::oci;

namespace dbuild::orchestrator {
namespace {

constexpr std::size_t k_max_name = 200; // file names end at 255 bytes

fs::path file_of(const fs::path& folder, std::string_view scope) {
    auto name = url_encode(scope);
    if (name.size() > k_max_name) name = sha256(scope).hex();
    return folder / "images" / (name + ".json");
}

std::string to_json(const KeptImage& image) {
    json::array tags;
    for (const auto& tag : image.tags) tags.emplace_back(tag);
    return json::serialize(json::object{{"version", 1},
                                        {"scope", image.scope},
                                        {"tags", std::move(tags)},
                                        {"config", image.config_json},
                                        {"manifest", image.manifest_json}});
}

Result<KeptImage> read_kept(const fs::path& path) {
    DBUILD_TRY_ASSIGN(const auto text, read_file(path));
    try {
        const auto object = json::parse(text).as_object();
        KeptImage image;
        image.scope = std::string(object.at("scope").as_string());
        for (const auto& tag : object.at("tags").as_array()) image.tags.emplace_back(tag.as_string());
        image.config_json = std::string(object.at("config").as_string());
        image.manifest_json = std::string(object.at("manifest").as_string());
        return image;
    } catch (const std::exception&) {
        return fail(ErrorKind::corrupt, path.string() + " is damaged");
    }
}

} // namespace

Status keep_image(const fs::path& folder, const KeptImage& image) {
    if (folder.empty()) return {};
    const auto path = file_of(folder, image.scope);
    const auto text = to_json(image);
    if (const auto present = read_file(path); present && *present == text) return {};
    DBUILD_TRY(make_directories(path.parent_path()));
    DBUILD_TRY_ASSIGN(auto file, AtomicFile::create(path));
    DBUILD_TRY(file.write(text));
    return file.commit(AtomicFile::Durability::not_synced);
}

Result<std::optional<KeptImage>> find_kept_image(const fs::path& folder, std::string_view scope) {
    auto image = read_kept(file_of(folder, scope));
    if (image) return std::optional(std::move(*image));
    if (image.error().kind == ErrorKind::not_found) return std::nullopt;
    return fail(std::move(image).error());
}

Result<std::optional<KeptImage>> find_image_of_tag(const fs::path& folder, std::string_view tag) {
    DBUILD_TRY_ASSIGN(const auto files, list_folder(folder / "images"));
    std::optional<KeptImage> newest;
    fs::file_time_type newest_time;
    for (const auto& file : files) {
        auto image = read_kept(file);
        if (!image || std::find(image->tags.begin(), image->tags.end(), tag) == image->tags.end()) continue;
        std::error_code error;
        const auto time = fs::last_write_time(file, error);
        if (newest && (error || time < newest_time)) continue;
        newest = std::move(*image);
        newest_time = time;
    }
    return newest;
}

Result<AssembledImage> assembled(const Parts& parts, const KeptImage& kept) {
    AssembledImage image;
    DBUILD_TRY_ASSIGN(image.config, oci::ImageConfig::parse(kept.config_json));
    DBUILD_TRY_ASSIGN(const auto manifest, oci::Manifest::parse(kept.manifest_json));
    if (manifest.layers.size() != image.config.diff_ids.size())
        return fail(ErrorKind::corrupt, "the kept image of scope " + kept.scope + " is damaged");
    for (std::size_t i = 0; i < manifest.layers.size(); ++i) {
        const auto& diff_id = image.config.diff_ids[i];
        DBUILD_TRY_ASSIGN(const auto record, parts.index->find_layer(diff_id));
        image.root.layers.push_back({diff_id, record ? record->size : 0, manifest.layers[i]});
    }
    image.root.config = image.config;
    image.config_json = kept.config_json;
    image.manifest_json = kept.manifest_json;
    image.config_digest = sha256(image.config_json);
    image.manifest_digest = sha256(image.manifest_json);
    return image;
}

} // namespace dbuild::orchestrator
