// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/commands/copy_command.hpp"

#include "orchestrator/command_line/flag_parser.hpp"
#include "orchestrator/image_place.hpp"
#include "orchestrator/local_images.hpp"
#include "orchestrator/owned_parts.hpp"
#include "orchestrator/registry_settings.hpp"
#include "orchestrator/store_target.hpp"
#include "support/platform.hpp"

#include <fmt/format.h>

#include <functional>

namespace oci = dbuild::cache::oci;

namespace dbuild::orchestrator::commands {
namespace {

constexpr Flag k_flags[] = {{"quiet", 'q', FlagValue::boolean}, {"help", 'h', FlagValue::boolean}};
constexpr std::string_view k_usage =
    "Usage: dbuild copy [-q] SOURCE DESTINATION\n\n"
    "Copies an image with all its platforms and prints its digest; moves only the blobs that are missing there.\n\n"
    "  REFERENCE, docker://REFERENCE   a registry\n"
    "  oci:FOLDER[:NAME]               an OCI layout folder\n"
    "  archive:FILE[:NAME]             a tar file that docker load and skopeo take\n"
    "  engine:NAME                     an image of the engine; to it goes that of this machine's platform\n"
    "  cache:NAME                      what dbuild built under that name; to it goes what builds may stand on\n";

/// The cache and the engine, for the places that need them.
class LocalPlaces {
public:
    explicit LocalPlaces(const std::atomic<bool>& cancelled) : cancelled_(cancelled) {}
    Result<Parts> parts() {
        if (!owned_) {
            DBUILD_TRY_ASSIGN(auto owned, open_parts());
            owned_.emplace(std::move(owned));
        }
        return owned_->borrow(*reporter_, cancelled_);
    }

private:
    const std::atomic<bool>& cancelled_;
    std::unique_ptr<progress::Reporter> reporter_ =
        progress::make_reporter(progress::Form::plain, progress::standard_error());
    std::optional<OwnedParts> owned_;
};

Result<std::unique_ptr<oci::ImageSource>> open_source(const ImagePlace& place, LocalPlaces& local,
                                                      oci::Registries& registries) {
    if (place.kind != ImagePlace::Kind::engine && place.kind != ImagePlace::Kind::cache)
        return make_source(place, registries);
    DBUILD_TRY_ASSIGN(const auto parts, local.parts());
    return place.kind == ImagePlace::Kind::engine ? make_engine_source(parts, place.reference)
                                                  : make_cache_source(parts, place.reference);
}

/// What was done, and the image's digest there.
struct Outcome {
    std::string told, digest;
};

Result<Outcome> copy_to_engine(oci::ImageSource& source, const ImagePlace& to, LocalPlaces& local) {
    DBUILD_TRY_ASSIGN(const auto parts, local.parts());
    DBUILD_TRY_ASSIGN(const auto manifest, oci::read_platform_manifest(source, native_platform()));
    DBUILD_TRY_ASSIGN(auto image, read_image(source, manifest));
    DBUILD_TRY_ASSIGN(const auto exported, bring_to_engine(parts, std::move(image), {to.reference.to_string()}));
    return Outcome{exported.was_loaded ? "loaded" : "the image was there already",
                   manifest.descriptor.digest.to_string()};
}

Result<Outcome> copy_to_cache(oci::ImageSource& source, const ImagePlace& to, LocalPlaces& local) {
    DBUILD_TRY_ASSIGN(const auto parts, local.parts());
    DBUILD_TRY_ASSIGN(const auto pulled,
                      pull_into_store(source, native_platform(), to.reference.familiar(), *parts.index, *parts.layers));
    return Outcome{fmt::format("layers: {} fetched ({} bytes), {} were there", pulled.layers_fetched,
                               pulled.bytes_fetched, pulled.layers_there),
                   pulled.id};
}

using CopyTo = std::function<Result<oci::CopyReport>(oci::ImageTarget& target)>;

Result<Outcome> copy_elsewhere(const CopyTo& copy, const ImagePlace& to, oci::Registries& registries) {
    DBUILD_TRY_ASSIGN(auto target, OpenTarget::open(to, registries));
    DBUILD_TRY_ASSIGN(const auto report, copy(target.target()));
    DBUILD_TRY(target.finish());
    Outcome outcome{"the image was there already", report.digest.to_string()};
    if (!report.was_complete)
        outcome.told = fmt::format("blobs: {} moved ({} bytes), {} mounted, {} were there", report.blobs_moved,
                                   report.bytes_moved, report.blobs_mounted, report.blobs_there);
    return outcome;
}

Result<Outcome> copy(const ImagePlace& from, const ImagePlace& to, LocalPlaces& local, oci::Registries& registries) {
    const bool goes_elsewhere = to.kind != ImagePlace::Kind::engine && to.kind != ImagePlace::Kind::cache;
    if (goes_elsewhere && from.kind == ImagePlace::Kind::engine) {
        DBUILD_TRY_ASSIGN(const auto parts, local.parts());
        const auto pass = [&](oci::ImageTarget& target) { return copy_from_engine(parts, from.reference, target); };
        return copy_elsewhere(pass, to, registries);
    }
    DBUILD_TRY_ASSIGN(const auto source, open_source(from, local, registries));
    if (goes_elsewhere)
        return copy_elsewhere([&](oci::ImageTarget& target) { return oci::copy_image(*source, target); }, to,
                              registries);
    return to.kind == ImagePlace::Kind::engine ? copy_to_engine(*source, to, local) : copy_to_cache(*source, to, local);
}

} // namespace

Result<int> run_copy_command(std::span<const std::string> words, const std::atomic<bool>& cancelled) {
    DBUILD_TRY_ASSIGN(const auto parsed, parse_words(k_flags, words));
    bool is_quiet = false;
    for (const auto& use : parsed.uses) {
        if (k_flags[use.flag].name == "quiet") {
            is_quiet = use.value == "true";
        } else if (use.value == "true") {
            fmt::print("{}", k_usage);
            return 0;
        }
    }
    if (parsed.positionals.size() != 2)
        return fail(ErrorKind::usage, "copy takes two places: dbuild copy SOURCE DESTINATION");
    DBUILD_TRY_ASSIGN(const auto from, ImagePlace::parse(parsed.positionals[0]));
    DBUILD_TRY_ASSIGN(const auto to, ImagePlace::parse(parsed.positionals[1]));
    DBUILD_TRY_ASSIGN(auto settings, read_registry_settings(cancelled));
    oci::Registries registries(std::move(settings));
    LocalPlaces local(cancelled);
    DBUILD_TRY_ASSIGN(const auto copied, copy(from, to, local, registries));
    if (!is_quiet) fmt::print(stderr, "{}\n", copied.told);
    if (to.path != "-") fmt::print("{}\n", copied.digest);
    return 0;
}

} // namespace dbuild::orchestrator::commands
