// SPDX-License-Identifier: Apache-2.0
#include "cache/oci/image.hpp"

#include <boost/json.hpp>

#include <algorithm>

namespace json = boost::json;

namespace dbuild::cache::oci {
namespace {

/// Reads a JSON text whose top must be an object; every access after it may throw and ends here as `corrupt`.
template <class Read>
auto read_json(std::string_view text, std::string_view what, Read read) -> Result<decltype(read(json::object()))> {
    try {
        return read(json::parse({text.data(), text.size()}).as_object());
    } catch (const std::exception& error) {
        return fail(ErrorKind::corrupt, "not an " + std::string(what) + ": " + error.what());
    }
}

const json::value* member(const json::object& object, std::string_view name) {
    const auto* value = object.if_contains({name.data(), name.size()});
    return value && !value->is_null() ? value : nullptr;
}

std::string string_member(const json::object& object, std::string_view name) {
    const auto* value = member(object, name);
    return value ? std::string(value->as_string()) : std::string();
}

bool bool_member(const json::object& object, std::string_view name) {
    const auto* value = member(object, name);
    return value && value->as_bool();
}

std::vector<std::string> strings_member(const json::object& object, std::string_view name) {
    std::vector<std::string> strings;
    if (const auto* value = member(object, name))
        for (const auto& item : value->as_array()) strings.emplace_back(item.as_string());
    return strings;
}

std::optional<std::vector<std::string>> optional_strings(const json::object& object, std::string_view name) {
    if (!member(object, name)) return std::nullopt;
    return strings_member(object, name);
}

std::vector<std::string> keys_member(const json::object& object, std::string_view name) {
    std::vector<std::string> keys;
    if (const auto* value = member(object, name))
        for (const auto& item : value->as_object()) keys.emplace_back(item.key());
    std::sort(keys.begin(), keys.end());
    return keys;
}

Digest digest_of(const json::value& value) {
    auto digest = Digest::parse(std::string_view(value.as_string()));
    if (!digest) throw std::invalid_argument(digest.error().message);
    return *digest;
}

/// The "annotations" of a manifest, an index or a descriptor.
std::map<std::string, std::string> read_annotations(const json::object& object) {
    std::map<std::string, std::string> annotations;
    if (const auto* given = member(object, "annotations"))
        for (const auto& [name, value] : given->as_object()) annotations.emplace(name, value.as_string());
    return annotations;
}

void put_annotations(json::object& object, const std::map<std::string, std::string>& annotations) {
    if (annotations.empty()) return;
    json::object named;
    for (const auto& [name, value] : annotations) named[name] = value;
    object["annotations"] = std::move(named);
}

Descriptor read_descriptor(const json::object& object) {
    return {string_member(object, "mediaType"), digest_of(object.at("digest")),
            object.at("size").to_number<std::uint64_t>(), read_annotations(object)};
}

std::optional<Healthcheck> read_healthcheck(const json::object& config) {
    const auto* value = member(config, "Healthcheck");
    if (!value) return std::nullopt;
    const auto& object = value->as_object();
    auto duration = [&](std::string_view name) {
        const auto* nanoseconds = member(object, name);
        return std::chrono::nanoseconds(nanoseconds ? nanoseconds->to_number<std::int64_t>() : 0);
    };
    const auto* retries = member(object, "Retries");
    return Healthcheck{
        strings_member(object, "Test"), duration("Interval"),      duration("Timeout"),
        duration("StartPeriod"),        duration("StartInterval"), retries ? retries->to_number<int>() : 0};
}

/// The "config" object, which an image configuration and an engine's inspection share.
void read_execution_config(const json::object& config, ImageConfig& image) {
    image.env = strings_member(config, "Env");
    image.user = string_member(config, "User");
    image.working_dir = string_member(config, "WorkingDir");
    image.entrypoint = optional_strings(config, "Entrypoint");
    image.cmd = optional_strings(config, "Cmd");
    image.shell = strings_member(config, "Shell");
    if (const auto* labels = member(config, "Labels"))
        for (const auto& label : labels->as_object()) image.labels.emplace(label.key(), label.value().as_string());
    image.exposed_ports = keys_member(config, "ExposedPorts");
    image.volumes = keys_member(config, "Volumes");
    image.on_build = strings_member(config, "OnBuild");
    image.stop_signal = string_member(config, "StopSignal");
    image.healthcheck = read_healthcheck(config);
    image.args_escaped = bool_member(config, "ArgsEscaped");
}

json::array to_array(const std::vector<std::string>& strings) {
    json::array array;
    for (const auto& text : strings) array.emplace_back(text);
    return array;
}

json::object to_set(const std::vector<std::string>& keys) {
    json::object object;
    for (const auto& key : keys) object[key] = json::object();
    return object;
}

void put_text(json::object& object, std::string_view name, const std::string& text) {
    if (!text.empty()) object[{name.data(), name.size()}] = text;
}

void put_strings(json::object& object, std::string_view name, const std::vector<std::string>& strings) {
    if (!strings.empty()) object[{name.data(), name.size()}] = to_array(strings);
}

json::object healthcheck_object(const Healthcheck& check) {
    json::object object;
    put_strings(object, "Test", check.test);
    if (check.interval.count()) object["Interval"] = check.interval.count();
    if (check.timeout.count()) object["Timeout"] = check.timeout.count();
    if (check.start_period.count()) object["StartPeriod"] = check.start_period.count();
    if (check.start_interval.count()) object["StartInterval"] = check.start_interval.count();
    if (check.retries) object["Retries"] = check.retries;
    return object;
}

json::object execution_config(const ImageConfig& image) {
    json::object config;
    put_text(config, "User", image.user);
    if (!image.exposed_ports.empty()) config["ExposedPorts"] = to_set(image.exposed_ports);
    put_strings(config, "Env", image.env);
    // One that is given but empty differs while a stage is built, and is left out like one that is not, as BuildKit
    // does.
    put_strings(config, "Entrypoint", image.entrypoint.value_or(std::vector<std::string>{}));
    put_strings(config, "Cmd", image.cmd.value_or(std::vector<std::string>{}));
    if (!image.volumes.empty()) config["Volumes"] = to_set(image.volumes);
    put_text(config, "WorkingDir", image.working_dir);
    if (!image.labels.empty()) {
        json::object labels;
        for (const auto& [name, value] : image.labels) labels[name] = value;
        config["Labels"] = std::move(labels);
    }
    put_text(config, "StopSignal", image.stop_signal);
    if (image.args_escaped) config["ArgsEscaped"] = true;
    if (image.healthcheck) config["Healthcheck"] = healthcheck_object(*image.healthcheck);
    put_strings(config, "OnBuild", image.on_build);
    put_strings(config, "Shell", image.shell);
    return config;
}

json::object descriptor_object(const Descriptor& descriptor) {
    json::object object{
        {"mediaType", descriptor.media_type}, {"digest", descriptor.digest.to_string()}, {"size", descriptor.size}};
    put_annotations(object, descriptor.annotations);
    return object;
}

json::object history_object(const HistoryEntry& entry) {
    json::object object;
    put_text(object, "created", entry.created);
    put_text(object, "created_by", entry.created_by);
    put_text(object, "author", entry.author);
    put_text(object, "comment", entry.comment);
    if (entry.empty_layer) object["empty_layer"] = true;
    return object;
}

} // namespace

Result<ImageConfig> ImageConfig::parse(std::string_view text) {
    return read_json(text, "image configuration", [](const json::object& object) {
        ImageConfig image;
        image.architecture = string_member(object, "architecture");
        image.os = string_member(object, "os");
        image.variant = string_member(object, "variant");
        image.author = string_member(object, "author");
        image.created = string_member(object, "created");
        if (const auto* config = member(object, "config")) read_execution_config(config->as_object(), image);
        for (const auto& id : object.at("rootfs").as_object().at("diff_ids").as_array())
            image.diff_ids.push_back(digest_of(id));
        if (const auto* history = member(object, "history"))
            for (const auto& item : history->as_array()) {
                const auto& entry = item.as_object();
                image.history.push_back({string_member(entry, "created"), string_member(entry, "created_by"),
                                         string_member(entry, "comment"), string_member(entry, "author"),
                                         bool_member(entry, "empty_layer")});
            }
        return image;
    });
}

Result<ImageConfig> ImageConfig::parse_inspection(std::string_view text) {
    return read_json(text, "image inspection", [](const json::object& object) {
        ImageConfig image;
        image.architecture = string_member(object, "Architecture");
        image.os = string_member(object, "Os");
        image.variant = string_member(object, "Variant");
        image.author = string_member(object, "Author");
        image.created = string_member(object, "Created");
        if (const auto* config = member(object, "Config")) read_execution_config(config->as_object(), image);
        if (const auto* layers = member(object.at("RootFS").as_object(), "Layers"))
            for (const auto& id : layers->as_array()) image.diff_ids.push_back(digest_of(id));
        return image;
    });
}

std::string ImageConfig::to_json() const {
    json::object object;
    object["architecture"] = architecture;
    put_text(object, "author", author);
    object["config"] = execution_config(*this);
    put_text(object, "created", created);
    json::array entries;
    for (const auto& entry : history) entries.push_back(history_object(entry));
    object["history"] = std::move(entries);
    object["os"] = os;
    put_text(object, "variant", variant);
    json::array ids;
    for (const auto& id : diff_ids) ids.emplace_back(id.to_string());
    object["rootfs"] = json::object{{"type", "layers"}, {"diff_ids", std::move(ids)}};
    return json::serialize(object);
}

Result<Manifest> Manifest::parse(std::string_view text) {
    return read_json(text, "image manifest", [](const json::object& object) {
        Manifest manifest;
        manifest.config = read_descriptor(object.at("config").as_object());
        for (const auto& layer : object.at("layers").as_array())
            manifest.layers.push_back(read_descriptor(layer.as_object()));
        manifest.annotations = read_annotations(object);
        return manifest;
    });
}

std::string Manifest::to_json() const {
    json::array items;
    for (const auto& layer : layers) items.push_back(descriptor_object(layer));
    json::object object{{"schemaVersion", 2},
                        {"mediaType", media_type},
                        {"config", descriptor_object(config)},
                        {"layers", std::move(items)}};
    put_annotations(object, annotations);
    return json::serialize(object);
}

Result<std::vector<IndexEntry>> parse_index(std::string_view text) {
    return read_json(text, "image index", [](const json::object& object) {
        std::vector<IndexEntry> entries;
        for (const auto& item : object.at("manifests").as_array()) {
            IndexEntry entry{read_descriptor(item.as_object()), {}, {}, {}};
            if (const auto* platform = member(item.as_object(), "platform")) {
                entry.os = string_member(platform->as_object(), "os");
                entry.architecture = string_member(platform->as_object(), "architecture");
                entry.variant = string_member(platform->as_object(), "variant");
            }
            entries.push_back(std::move(entry));
        }
        return entries;
    });
}

std::string image_index_json(std::string_view media_type, const std::vector<IndexEntry>& entries,
                             const std::map<std::string, std::string>& annotations) {
    json::array manifests;
    for (const auto& entry : entries) {
        auto object = descriptor_object(entry.descriptor);
        json::object platform{{"architecture", entry.architecture}, {"os", entry.os}};
        put_text(platform, "variant", entry.variant);
        object["platform"] = std::move(platform);
        manifests.push_back(std::move(object));
    }
    json::object index{{"schemaVersion", 2}, {"mediaType", media_type}, {"manifests", std::move(manifests)}};
    put_annotations(index, annotations);
    return json::serialize(index);
}

std::string make_index_json(const Descriptor& manifest, const ImageConfig& config, std::string_view name,
                            const std::optional<Descriptor>& companion) {
    auto entry = descriptor_object(manifest);
    json::object platform{{"architecture", config.architecture}, {"os", config.os}};
    put_text(platform, "variant", config.variant);
    entry["platform"] = std::move(platform);
    if (!name.empty())
        entry["annotations"] = json::object{{"io.containerd.image.name", name},
                                            {"org.opencontainers.image.ref.name", name.substr(name.rfind(':') + 1)}};
    json::array manifests{std::move(entry)};
    if (companion) manifests.push_back(descriptor_object(*companion));
    return json::serialize(
        json::object{{"schemaVersion", 2}, {"mediaType", k_index_type}, {"manifests", std::move(manifests)}});
}

} // namespace dbuild::cache::oci
