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
constexpr std::size_t k_kept_in_a_scope = 16;

std::string file_name(std::string_view text) {
    auto name = url_encode(text);
    return name.size() > k_max_name ? sha256(text).hex() : name;
}

fs::path folder_of(const fs::path& folder, std::string_view scope) { return folder / "images" / file_name(scope); }

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

struct KeptFile {
    fs::file_time_type time;
    fs::path path;
};

/// What the folder of a scope holds, newest first.
Result<std::vector<KeptFile>> list_kept(const fs::path& scope_folder) {
    DBUILD_TRY_ASSIGN(const auto paths, list_folder(scope_folder));
    std::vector<KeptFile> files;
    for (const auto& path : paths) {
        std::error_code error;
        const auto time = fs::last_write_time(path, error);
        if (!error) files.push_back({time, path});
    }
    std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.time > b.time; });
    return files;
}

} // namespace

Status keep_image(const fs::path& folder, const KeptImage& image) {
    if (folder.empty()) return {};
    const auto scope_folder = folder_of(folder, image.scope);
    const auto path = scope_folder / (file_name(image.tags.empty() ? "" : image.tags.front()) + ".json");
    const auto text = to_json(image);
    if (const auto present = read_file(path); present && *present == text) {
        std::error_code error;
        fs::last_write_time(path, fs::file_time_type::clock::now(), error);
        return error ? fail(ErrorKind::unavailable, "cannot write " + path.string() + ": " + error.message())
                     : Status();
    }
    DBUILD_TRY(make_directories(scope_folder));
    DBUILD_TRY_ASSIGN(auto file, AtomicFile::create(path));
    DBUILD_TRY(file.write(text));
    DBUILD_TRY(file.commit(AtomicFile::Durability::not_synced));
    DBUILD_TRY_ASSIGN(const auto kept, list_kept(scope_folder));
    std::error_code ignored; // another process may have removed it
    for (std::size_t i = k_kept_in_a_scope; i < kept.size(); ++i) fs::remove(kept[i].path, ignored);
    return {};
}

Result<std::optional<KeptImage>> find_kept_image(const fs::path& folder, std::string_view scope) {
    DBUILD_TRY_ASSIGN(const auto kept, list_kept(folder_of(folder, scope)));
    if (kept.empty()) return std::nullopt;
    DBUILD_TRY_ASSIGN(auto image, read_kept(kept.front().path));
    return image;
}

Result<std::optional<KeptImage>> find_image_of_tag(const fs::path& folder, std::string_view tag) {
    DBUILD_TRY_ASSIGN(const auto scopes, list_folder(folder / "images"));
    std::optional<KeptImage> newest;
    fs::file_time_type newest_time;
    for (const auto& scope : scopes) {
        DBUILD_TRY_ASSIGN(const auto files, list_kept(scope));
        for (const auto& [time, path] : files) {
            auto image = read_kept(path);
            if (!image || std::find(image->tags.begin(), image->tags.end(), tag) == image->tags.end()) continue;
            if (!newest || time > newest_time) {
                newest = std::move(*image);
                newest_time = time;
            }
            break;
        }
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
    for (const auto& [name, value] : manifest.annotations)
        image.annotations.push_back({Annotation::Level::manifest, {}, name, value});
    image.root.config = image.config;
    image.config_json = kept.config_json;
    image.manifest_json = kept.manifest_json;
    image.config_digest = sha256(image.config_json);
    image.manifest_digest = sha256(image.manifest_json);
    return image;
}

} // namespace dbuild::orchestrator
