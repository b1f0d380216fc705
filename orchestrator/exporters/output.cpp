// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/exporters/output.hpp"

#include "cache/oci/reference.hpp"
#include "orchestrator/command_line/fields.hpp"
#include "support/compression.hpp"
#include "support/gzip_writer.hpp"

#include <fmt/format.h>

#include <charconv>
#include <map>

namespace dbuild::orchestrator::exporters {
namespace {

using Attributes = std::map<std::string, std::string>;

/// Takes an attribute out of the table; "" if it is not there.
std::string take(Attributes& attributes, const char* name) {
    auto node = attributes.extract(name);
    return node ? std::move(node.mapped()) : std::string();
}

Result<bool> take_flag(Attributes& attributes, const char* name, bool is_default) {
    const auto value = take(attributes, name);
    if (value.empty()) return is_default;
    if (value == "true" || value == "1") return true;
    if (value == "false" || value == "0") return false;
    return fail(ErrorKind::usage, fmt::format("--output: {}={} is neither true nor false", name, value));
}

Result<Compression> take_compression(Attributes& attributes) {
    Compression compression;
    const auto kind = take(attributes, "compression"), level = take(attributes, "compression-level");
    if (!kind.empty()) {
        DBUILD_TRY_ASSIGN(compression.kind, Compression::parse_kind(kind));
    }
    if (level.empty()) return compression;
    const int highest = compression.kind == Compression::Kind::zstd ? 22 : 9;
    const auto [end, error] = std::from_chars(level.data(), level.data() + level.size(), compression.level);
    if (error != std::errc() || end != level.data() + level.size() || compression.level < 0 ||
        compression.level > highest)
        return fail(ErrorKind::usage,
                    fmt::format("--output: compression-level={} is not between 0 and {}", level, highest));
    return compression;
}

/// "annotation.NAME", "annotation-LEVEL.NAME" and "annotation-LEVEL[PLATFORM].NAME".
Result<std::vector<Annotation>> take_annotations(Attributes& attributes) {
    constexpr std::string_view k_prefix = "annotation";
    std::vector<Annotation> annotations;
    for (auto next = attributes.lower_bound(std::string(k_prefix)); next != attributes.end();) {
        const auto attribute = next++;
        const auto& name = attribute->first;
        if (!name.starts_with(k_prefix)) break;
        const auto bracket = name.find('['), dot = name.find('.', bracket < name.find('.') ? name.find(']') : 0);
        auto level = std::string_view(name).substr(k_prefix.size(), dot - k_prefix.size());
        if (dot == name.npos || (!level.empty() && level.front() != '-' && level.front() != '[')) continue;
        const auto written = level.starts_with('-') ? std::string(level.substr(1)) : "manifest" + std::string(level);
        auto made = annotations_at(written, name.substr(dot + 1), attribute->second);
        if (!made) return fail(ErrorKind::usage, "--output: " + made.error().message);
        annotations.insert(annotations.end(), made->begin(), made->end());
        attributes.erase(attribute);
    }
    return annotations;
}

} // namespace

Result<Compression::Kind> Compression::parse_kind(std::string_view text) {
    if (text == "uncompressed") return Kind::uncompressed;
    if (text == "gzip") return Kind::gzip;
    if (text == "zstd") return Kind::zstd;
    return fail(ErrorKind::unsupported, "--output with compression=" + std::string(text));
}

std::string Compression::name() const {
    switch (kind) {
    case Kind::gzip: return fmt::format("gzip level {} by {}", level < 0 ? k_gzip_level : level, gzip_release());
    case Kind::zstd: return fmt::format("zstd level {} by {}", level < 0 ? k_zstd_level : level, zstd_release());
    case Kind::uncompressed: break;
    }
    return "uncompressed";
}

Result<Output> Output::parse(std::string_view text) {
    const auto fields = parse_fields(text);
    if (!fields) return fail(ErrorKind::usage, "--output: " + fields.error().message);
    if (fields->empty()) return fail(ErrorKind::usage, "--output: it needs a type or a folder");
    Output output;
    if (fields->size() == 1 && !text.starts_with('"') && !text.starts_with("type=")) {
        output.kind = text == "-" ? Kind::tar : Kind::folder;
        output.path = text;
        return output;
    }
    Attributes attributes;
    for (const auto& [name, value, is_bare] : *fields) {
        if (is_bare) return fail(ErrorKind::usage, fmt::format("--output: \"{}\" is not NAME=VALUE", name));
        attributes[name] = value;
    }
    const auto type = take(attributes, "type");
    output.path = take(attributes, "dest");
    for (const auto& name : split_list(take(attributes, "name"))) { // several stand in quotes
        if (const auto reference = cache::oci::ImageReference::parse(name); !reference)
            return fail(ErrorKind::usage, "--output: " + reference.error().message);
        output.names.push_back(name);
    }
    DBUILD_TRY_ASSIGN(output.packing.compression, take_compression(attributes));
    DBUILD_TRY_ASSIGN(output.packing.annotations, take_annotations(attributes));
    DBUILD_TRY_ASSIGN(const bool pushes, take_flag(attributes, "push", type == "registry"));
    DBUILD_TRY_ASSIGN(const bool is_tar, take_flag(attributes, "tar", true));
    DBUILD_TRY_ASSIGN(output.is_insecure, take_flag(attributes, "registry.insecure", false));
    DBUILD_TRY_ASSIGN(output.is_loaded, take_flag(attributes, "store", true));
    DBUILD_TRY_ASSIGN(const bool has_oci_types, take_flag(attributes, "oci-mediatypes", true));
    output.packing.types = has_oci_types ? MediaTypes::oci : MediaTypes::docker;
    DBUILD_TRY_ASSIGN(output.rewrites_timestamps, take_flag(attributes, "rewrite-timestamp", false));
    if (!attributes.empty()) return fail(ErrorKind::unsupported, "--output with " + attributes.begin()->first);
    if (type == "cacheonly") {
        output.kind = Kind::nothing;
    } else if (pushes && (type == "registry" || type == "image")) {
        output.kind = Kind::registry;
    } else if (type == "docker" || type == "oci") {
        if (!is_tar && output.path.empty())
            return fail(ErrorKind::usage, fmt::format("--output: type={} with tar=false needs dest=FOLDER", type));
        if (type == "oci" && output.path.empty()) output.path = "-";
        if (!output.path.empty()) output.kind = is_tar ? Kind::archive : Kind::layout_folder;
    } else if (type == "local") {
        if (output.path.empty()) return fail(ErrorKind::usage, "--output: type=local needs dest=FOLDER");
        if (output.path == "-")
            return fail(ErrorKind::usage, "--output: type=local cannot go to standard output; type=tar can");
        output.kind = Kind::folder;
    } else if (type == "tar") {
        if (output.path.empty()) output.path = "-";
        output.kind = Kind::tar;
    } else if (type != "image" || !output.path.empty()) {
        return fail(ErrorKind::unsupported, "--output type=" + type);
    }
    if (output.kind != Kind::registry && !output.is_loaded)
        return fail(ErrorKind::unsupported, "--output with store=false");
    if (output.kind == Output::Kind::engine)
        for (const auto* name : {"compression", "oci-mediatypes=false", "annotation"}) // it is given what the cache has
            if (text.find(name) != text.npos)
                return fail(ErrorKind::unsupported, fmt::format("--output with {} for an engine", name));
    return output;
}

} // namespace dbuild::orchestrator::exporters
