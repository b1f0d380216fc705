// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/exporters/image_exporter.hpp"

#include "cache/oci/registry.hpp"
#include "orchestrator/exporters/packed_image.hpp"
#include "orchestrator/exporters/tree_exporter.hpp"
#include "orchestrator/image_place.hpp"
#include "orchestrator/registry_settings.hpp"

#include <fmt/format.h>

namespace dbuild::orchestrator::exporters {
namespace {

namespace oci = cache::oci;

Result<std::vector<oci::ImageReference>> parse_names(const std::vector<std::string>& texts) {
    std::vector<oci::ImageReference> names;
    for (const auto& text : texts) {
        DBUILD_TRY_ASSIGN(auto reference, oci::ImageReference::parse(text));
        names.push_back(std::move(reference));
    }
    return names;
}

/// The places that an output means: a registry has one for each name.
std::vector<ImagePlace> places_of(const Output& output, const std::vector<oci::ImageReference>& names) {
    std::vector<ImagePlace> places;
    if (output.kind == Output::Kind::registry) {
        for (const auto& name : names) places.push_back({ImagePlace::Kind::registry, name, {}, {}, {}});
        return places;
    }
    ImagePlace place;
    place.kind = output.kind == Output::Kind::archive ? ImagePlace::Kind::archive : ImagePlace::Kind::layout;
    place.path = output.path;
    for (const auto& name : names) place.names.push_back(name.to_string());
    if (!names.empty()) place.name = names.front().tag;
    places.push_back(std::move(place));
    return places;
}

std::string sentence(const ImagePlace& place, const oci::CopyReport& report) {
    const auto where = place.kind == ImagePlace::Kind::registry ? place.reference.familiar() : place.path.string();
    if (report.was_complete) return where + ": the image is there already";
    return fmt::format("{}: {} blobs moved ({} bytes), {} mounted, {} were there", where, report.blobs_moved,
                       report.bytes_moved, report.blobs_mounted, report.blobs_there);
}

Result<ExportedImage> export_packed(const Parts& parts, const AssembledImage& image, const Output& output,
                                    const std::vector<oci::ImageReference>& names, const std::string& base) {
    DBUILD_TRY_ASSIGN(auto settings, read_registry_settings(*parts.cancelled));
    if (output.is_insecure)
        for (const auto& name : names) settings.insecure_hosts.insert(name.domain);
    oci::Registries registries(std::move(settings));
    DBUILD_TRY_ASSIGN(const auto packed, pack_image(parts, image, output.compression, base));
    for (const auto& place : places_of(output, names)) {
        DBUILD_TRY_ASSIGN(auto target, OpenTarget::open(place, registries));
        auto report = oci::copy_image(*packed.source, target.target());
        if (!report &&
            report.error().kind == ErrorKind::transient) // it was repeated enough: neither the build nor docker helps
            report.error().kind = ErrorKind::unavailable;
        if (!report) return fail(std::move(report).error());
        DBUILD_TRY(target.finish());
        parts.reporter->note(sentence(place, *report));
    }
    ExportedImage exported{
        packed.manifest_digest.to_string(), {}, true, packed.manifest_digest, packed.manifest_json.size()};
    for (const auto& name : names) exported.tags.push_back(name.familiar());
    return exported;
}

} // namespace

Result<ExportedImage> export_image(const Parts& parts, const AssembledImage& image, const BuildOptions& options,
                                   const std::string& base) {
    auto outputs = options.outputs;
    if (outputs.empty()) outputs.emplace_back();
    std::optional<ExportedImage> last, in_engine;
    for (const auto& output : outputs) {
        const auto& texts = output.names.empty() ? options.tags : output.names;
        if (output.kind == Output::Kind::engine || (output.kind == Output::Kind::registry && output.is_loaded)) {
            DBUILD_TRY_ASSIGN(in_engine, export_to_engine(parts, image, texts));
        }
        switch (output.kind) {
        case Output::Kind::engine:
        case Output::Kind::nothing: break;
        case Output::Kind::folder:
        case Output::Kind::tar: {
            const auto form = output.kind == Output::Kind::tar ? TreeForm::tar : TreeForm::folder;
            DBUILD_TRY(export_tree(parts, image, form, output.path));
            break;
        }
        case Output::Kind::registry:
        case Output::Kind::archive:
        case Output::Kind::layout_folder: {
            DBUILD_TRY_ASSIGN(const auto names, parse_names(texts));
            DBUILD_TRY_ASSIGN(last, export_packed(parts, image, output, names, base));
        }
        }
    }
    if (in_engine && last) { // whoever reads the digest wants to name the image there
        in_engine->manifest_digest = last->manifest_digest;
        in_engine->manifest_bytes = last->manifest_bytes;
    }
    if (in_engine) return std::move(*in_engine);
    if (last) return std::move(*last);
    return ExportedImage{
        image.manifest_digest.to_string(), {}, false, image.manifest_digest, image.manifest_json.size()};
}

} // namespace dbuild::orchestrator::exporters
