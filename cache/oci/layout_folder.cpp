// SPDX-License-Identifier: Apache-2.0
#include "cache/oci/layout_folder.hpp"

#include "cache/oci/byte_source.hpp"
#include "support/files.hpp"

#include <boost/json.hpp>

namespace fs = std::filesystem;
namespace json = boost::json;

namespace dbuild::cache::oci {
namespace {

fs::path blob_path(const fs::path& folder, const Digest& digest) { return folder / "blobs" / "sha256" / digest.hex(); }

bool has_size(const fs::path& path, std::uint64_t size) {
    std::error_code error;
    return fs::file_size(path, error) == size && !error;
}

/// The annotation of an entry of index.json; "" if it has none.
std::string annotation(const json::object& entry, std::string_view name) {
    const auto* annotations = entry.if_contains("annotations");
    if (!annotations || !annotations->is_object()) return "";
    const auto* value = annotations->get_object().if_contains({name.data(), name.size()});
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

bool is_named(const json::object& entry, std::string_view name) {
    return annotation(entry, k_name_annotation) == name || annotation(entry, k_docker_name_annotation) == name;
}

tl::unexpected<Error> no_index() { return fail(ErrorKind::corrupt, "not an OCI layout: index.json cannot be read"); }

class LayoutSource : public ImageSource {
public:
    LayoutSource(fs::path folder, std::string name) : folder_(std::move(folder)), name_(std::move(name)) {}

    Result<FetchedManifest> read_manifest(const std::optional<Digest>& digest) override {
        Digest wanted;
        if (digest) {
            wanted = *digest;
        } else {
            DBUILD_TRY_ASSIGN(const auto index, read_file(folder_ / "index.json"));
            auto found = find_in_layout(index, name_);
            if (!found) return fail(std::move(found).error().with("in " + folder_.string()));
            wanted = found->digest;
        }
        DBUILD_TRY_ASSIGN(auto bytes, read_file(blob_path(folder_, wanted)));
        if (sha256(bytes) != wanted)
            return fail(ErrorKind::corrupt, folder_.string() + ": the manifest " + wanted.to_string() +
                                                " has other bytes than its name says");
        DBUILD_TRY_ASSIGN(auto type, manifest_type_of(bytes));
        return FetchedManifest{{std::move(type), wanted, bytes.size()}, std::move(bytes)};
    }
    Status read_blob(const Descriptor& blob, const ByteSink& sink) override {
        DBUILD_TRY_ASSIGN(const auto source, file_source(blob_path(folder_, blob.digest)));
        return copy_checked(source, blob, sink);
    }
    std::optional<fs::path> file_of(const Digest& digest) override {
        auto path = blob_path(folder_, digest);
        std::error_code error;
        return fs::exists(path, error) ? std::optional(std::move(path)) : std::nullopt;
    }

private:
    fs::path folder_;
    std::string name_;
};

class LayoutTarget : public ImageTarget {
public:
    LayoutTarget(fs::path folder, std::string name, std::string image)
        : folder_(std::move(folder)), name_(std::move(name)), image_(std::move(image)) {}

    Result<Presence> find_image(const Descriptor&) override { // looking at each blob's size costs nothing
        DBUILD_TRY(make_directories(folder_ / "blobs" / "sha256"));
        DBUILD_TRY(write_file(folder_ / "oci-layout", R"({"imageLayoutVersion":"1.0.0"})"));
        return Presence::absent;
    }
    Result<PushOutcome> put_blob(const Descriptor& blob, ImageSource& from) override {
        const auto path = blob_path(folder_, blob.digest);
        if (has_size(path, blob.size)) return PushOutcome::was_there;
        DBUILD_TRY_ASSIGN(auto file, AtomicFile::create(path));
        DBUILD_TRY(from.read_blob(blob, [&](std::string_view bytes) { return file.write(bytes); }));
        DBUILD_TRY(file.commit(AtomicFile::Durability::not_synced));
        return PushOutcome::uploaded;
    }
    Status put_manifest(const FetchedManifest& manifest, Role role) override {
        DBUILD_TRY_ASSIGN(auto file, AtomicFile::create(blob_path(folder_, manifest.descriptor.digest)));
        DBUILD_TRY(file.write(manifest.bytes));
        DBUILD_TRY(file.commit(AtomicFile::Durability::not_synced));
        return role == Role::root ? enter(manifest.descriptor) : Status{};
    }

private:
    /// Adds the image to index.json, whose other entries stay as they are.
    Status enter(const Descriptor& root) {
        DBUILD_TRY_ASSIGN(const auto lock, FileLock::acquire(folder_ / "oci-layout"));
        json::array entries;
        const auto text = read_file(folder_ / "index.json");
        if (text) {
            boost::system::error_code error;
            const auto value = json::parse(*text, error);
            if (error || !value.is_object()) return no_index();
            if (const auto* old = value.get_object().if_contains("manifests"); old && old->is_array())
                for (const auto& entry : old->get_array())
                    if (entry.is_object() && !is_replaced(entry.get_object(), root)) entries.push_back(entry);
        } else if (text.error().kind != ErrorKind::not_found) {
            return fail(text.error());
        }
        json::object entry{{"mediaType", root.media_type}, {"digest", root.digest.to_string()}, {"size", root.size}};
        json::object annotations;
        for (const auto& [name, value] : root.annotations) annotations[name] = value;
        if (!image_.empty()) annotations[k_docker_name_annotation] = image_;
        if (!name_.empty()) annotations[k_name_annotation] = name_;
        if (!annotations.empty()) entry["annotations"] = std::move(annotations);
        entries.push_back(std::move(entry));
        DBUILD_TRY_ASSIGN(auto file, AtomicFile::create(folder_ / "index.json"));
        DBUILD_TRY(file.write(json::serialize(
            json::object{{"schemaVersion", 2}, {"mediaType", k_index_type}, {"manifests", std::move(entries)}})));
        return file.commit(AtomicFile::Durability::not_synced);
    }
    bool is_replaced(const json::object& entry, const Descriptor& root) const {
        if (!name_.empty()) return annotation(entry, k_name_annotation) == name_;
        const auto* digest = entry.if_contains("digest");
        return digest && digest->is_string() && digest->get_string() == root.digest.to_string();
    }

    fs::path folder_;
    std::string name_, image_;
};

} // namespace

Result<Descriptor> find_in_layout(std::string_view index_json, std::string_view name) {
    boost::system::error_code error;
    const auto value = json::parse({index_json.data(), index_json.size()}, error);
    DBUILD_TRY_ASSIGN(const auto entries, parse_index(index_json));
    if (error || !value.is_object()) return no_index();
    if (name.empty()) {
        if (entries.size() == 1) return entries.front().descriptor;
        return fail(ErrorKind::not_found, std::to_string(entries.size()) + " images are there, and none is named");
    }
    const auto& list = value.at("manifests").get_array();
    for (std::size_t i = 0; i < entries.size(); ++i)
        if (list[i].is_object() && is_named(list[i].get_object(), name)) return entries[i].descriptor;
    return fail(ErrorKind::not_found, "no image is named " + std::string(name));
}

Result<std::vector<LayoutEntry>> list_layout(std::string_view index_json) {
    boost::system::error_code error;
    const auto value = json::parse({index_json.data(), index_json.size()}, error);
    DBUILD_TRY_ASSIGN(const auto entries, parse_index(index_json));
    if (error || !value.is_object()) return no_index();
    std::vector<LayoutEntry> listed;
    for (std::size_t i = 0; i < entries.size(); ++i)
        listed.push_back(
            {entries[i].descriptor, annotation(value.at("manifests").at(i).get_object(), k_docker_name_annotation)});
    return listed;
}

std::unique_ptr<ImageSource> make_layout_source(fs::path folder, std::string name) {
    return std::make_unique<LayoutSource>(std::move(folder), std::move(name));
}

std::unique_ptr<ImageTarget> make_layout_target(fs::path folder, std::string name, std::string image) {
    return std::make_unique<LayoutTarget>(std::move(folder), std::move(name), std::move(image));
}

} // namespace dbuild::cache::oci
