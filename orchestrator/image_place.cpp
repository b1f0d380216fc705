// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/image_place.hpp"

#include "cache/oci/layout_folder.hpp"
#include "cache/oci/registry_image.hpp"

#include <fmt/format.h>

namespace oci = dbuild::cache::oci;

namespace dbuild::orchestrator {
namespace {

struct Prefix {
    std::string_view text;
    ImagePlace::Kind kind;
};
constexpr Prefix k_prefixes[] = {
    {"docker://", ImagePlace::Kind::registry},      {"oci:", ImagePlace::Kind::layout},
    {"archive:", ImagePlace::Kind::archive},        {"oci-archive:", ImagePlace::Kind::archive},
    {"docker-archive:", ImagePlace::Kind::archive}, {"engine:", ImagePlace::Kind::engine},
    {"docker-daemon:", ImagePlace::Kind::engine},   {"cache:", ImagePlace::Kind::cache}};

} // namespace

Result<ImagePlace> ImagePlace::parse(std::string_view text) {
    ImagePlace place;
    auto rest = text;
    for (const auto& prefix : k_prefixes)
        if (text.starts_with(prefix.text)) {
            place.kind = prefix.kind;
            rest.remove_prefix(prefix.text.size());
            break;
        }
    if (place.kind != Kind::layout && place.kind != Kind::archive) {
        DBUILD_TRY_ASSIGN(place.reference, oci::ImageReference::parse(rest));
        return place;
    }
    const auto colon = rest.find(':');
    place.path = rest.substr(0, colon);
    if (colon != rest.npos) place.name = rest.substr(colon + 1);
    if (place.path.empty()) return fail(ErrorKind::usage, fmt::format("{}: a path is missing", text));
    if (place.kind == Kind::archive && !place.name.empty()) {
        DBUILD_TRY_ASSIGN(const auto reference, oci::ImageReference::parse(place.name));
        place.names.push_back(reference.to_string());
    }
    return place;
}

Result<std::unique_ptr<oci::ImageSource>> make_source(const ImagePlace& place, oci::Registries& registries) {
    switch (place.kind) {
    case ImagePlace::Kind::layout: return oci::make_layout_source(place.path, place.name);
    case ImagePlace::Kind::archive: return oci::make_archive_source(place.path, place.name);
    case ImagePlace::Kind::registry:
    case ImagePlace::Kind::engine:
    case ImagePlace::Kind::cache: break;
    }
    return oci::make_registry_source(registries, place.reference);
}

Result<ArchiveOutput> ArchiveOutput::open(const std::filesystem::path& path) {
    ArchiveOutput output;
    DBUILD_TRY_ASSIGN(auto file, OutputFile::open(path));
    output.file_ = std::make_unique<OutputFile>(std::move(file));
    output.target_ = std::make_unique<oci::ArchiveTarget>(
        [file = output.file_.get()](std::string_view bytes) { return file->write(bytes); });
    return output;
}

Status ArchiveOutput::finish() {
    DBUILD_TRY(target_->finish());
    return file_->commit();
}

Result<OpenTarget> OpenTarget::open(const ImagePlace& place, oci::Registries& registries) {
    OpenTarget opened;
    switch (place.kind) {
    case ImagePlace::Kind::registry:
    case ImagePlace::Kind::engine:
    case ImagePlace::Kind::cache: opened.target_ = oci::make_registry_target(registries, place.reference); break;
    case ImagePlace::Kind::layout:
        opened.target_ =
            oci::make_layout_target(place.path, place.name, place.names.empty() ? "" : place.names.front());
        break;
    case ImagePlace::Kind::archive: {
        DBUILD_TRY_ASSIGN(opened.archive_, ArchiveOutput::open(place.path));
        opened.archive_->target().set_names(place.names);
    }
    }
    return opened;
}

Status OpenTarget::finish() { return archive_ ? archive_->finish() : target_->finish(); }

} // namespace dbuild::orchestrator
