// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/exporters/image_exporter.hpp"

#include "cache/oci/registry.hpp"
#include "orchestrator/exporters/clamped_image.hpp"
#include "orchestrator/exporters/image_index.hpp"
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

/// Everything that an output means, open.
struct Destination {
    std::vector<oci::ImageReference> names;
    std::unique_ptr<oci::Registries> registries; // borrowed by targets
    std::vector<std::pair<ImagePlace, OpenTarget>> places;

    static Result<Destination> open(const Parts& parts, const Output& output, const std::vector<std::string>& texts) {
        Destination destination;
        DBUILD_TRY_ASSIGN(destination.names, parse_names(texts));
        DBUILD_TRY_ASSIGN(auto settings, read_registry_settings(*parts.cancelled));
        if (output.is_insecure)
            for (const auto& name : destination.names) settings.insecure_hosts.insert(name.domain);
        destination.registries = std::make_unique<oci::Registries>(std::move(settings));
        for (auto& place : places_of(output, destination.names)) {
            DBUILD_TRY_ASSIGN(auto target, OpenTarget::open(place, *destination.registries));
            destination.places.emplace_back(std::move(place), std::move(target));
        }
        return destination;
    }
};

/// Copies an image, or an index, to everything that an output means.
Result<ExportedImage> copy_to_places(const Parts& parts, oci::ImageSource& from, Destination& destination) {
    for (auto& [place, target] : destination.places) {
        auto report = oci::copy_image(from, target.target());
        if (!report &&
            report.error().kind == ErrorKind::transient) // it was repeated enough: neither the build nor docker helps
            report.error().kind = ErrorKind::unavailable;
        if (!report) return fail(std::move(report).error());
        DBUILD_TRY(target.finish());
        parts.reporter->note(sentence(place, *report));
    }
    DBUILD_TRY_ASSIGN(const auto root, from.read_manifest(std::nullopt));
    ExportedImage exported{root.descriptor.digest.to_string(), {}, true, root.descriptor.digest, root.bytes.size(),
                           root.descriptor.media_type};
    for (const auto& name : destination.names) exported.tags.push_back(name.familiar());
    return exported;
}

Result<ExportedImage> export_packed(const Parts& parts, const AssembledImage& image, const Output& output,
                                    const std::vector<std::string>& texts, const std::string& base) {
    DBUILD_TRY_ASSIGN(auto destination, Destination::open(parts, output, texts));
    const auto tell_known = [&](const std::vector<oci::Descriptor>& layers) {
        for (auto& [place, target] : destination.places) target.target().expect(layers);
    };
    DBUILD_TRY_ASSIGN(const auto packed, pack_image(parts, image, output.packing, base, tell_known));
    auto copied = copy_to_places(parts, *packed.source, destination);
    DBUILD_TRY(remember_packing(parts, packed)); // also if the place could not be reached
    DBUILD_TRY_ASSIGN(auto exported, std::move(copied));
    exported.config_digest = image.config_digest;
    return exported;
}

/// The image as an output wants it.
Result<AssembledImage> prepared(const Parts& parts, const AssembledImage& image, const Output& output) {
    if (output.takes_images() && output.rewrites_timestamps && image.epoch) return clamp_times(parts, image);
    return image;
}

} // namespace

Result<ExportedImage> export_image(const Parts& parts, const AssembledImage& built, const BuildOptions& options,
                                   const std::string& base) {
    auto outputs = options.outputs;
    if (outputs.empty()) outputs.emplace_back();
    std::optional<ExportedImage> last, in_engine;
    for (const auto& output : outputs) {
        const auto& texts = output.names.empty() ? options.tags : output.names;
        DBUILD_TRY_ASSIGN(const auto image, prepared(parts, built, output));
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
            DBUILD_TRY_ASSIGN(last, export_packed(parts, image, output, texts, base));
        }
        }
    }
    if (in_engine && last) { // whoever reads the digest wants to name the image there
        in_engine->manifest_digest = last->manifest_digest;
        in_engine->manifest_bytes = last->manifest_bytes;
        in_engine->media_type = last->media_type;
    }
    if (in_engine) return std::move(*in_engine);
    if (last) return std::move(*last);
    ExportedImage nowhere{
        built.manifest_digest.to_string(), {}, false, built.manifest_digest, built.manifest_json.size()};
    nowhere.config_digest = built.config_digest;
    return nowhere;
}

Result<ExportedImage> export_index(const Parts& parts, const std::vector<AssembledImage>& images,
                                   const BuildOptions& options) {
    std::optional<ExportedImage> last;
    for (const auto& output : options.outputs) {
        if (output.kind == Output::Kind::nothing) continue;
        std::vector<PackedImage> packed;
        for (const auto& built : images) {
            DBUILD_TRY_ASSIGN(const auto image, prepared(parts, built, output));
            DBUILD_TRY_ASSIGN(auto one, pack_image(parts, image, output.packing, ""));
            DBUILD_TRY(remember_packing(parts, one));
            packed.push_back(std::move(one));
        }
        auto annotations = options.annotations;
        annotations.insert(annotations.end(), output.packing.annotations.begin(), output.packing.annotations.end());
        const auto index = make_index(std::move(packed), annotations, output.packing.types);
        const auto& texts = output.names.empty() ? options.tags : output.names;
        DBUILD_TRY_ASSIGN(auto destination, Destination::open(parts, output, texts));
        DBUILD_TRY_ASSIGN(last, copy_to_places(parts, *index, destination));
    }
    return last.value_or(ExportedImage());
}

} // namespace dbuild::orchestrator::exporters
