// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/commands/copy_command.hpp"

#include "orchestrator/command_line/flag_parser.hpp"
#include "orchestrator/image_place.hpp"
#include "orchestrator/registry_settings.hpp"

#include <fmt/format.h>

namespace dbuild::orchestrator::commands {
namespace {

constexpr Flag k_flags[] = {{"quiet", 'q', FlagValue::boolean}, {"help", 'h', FlagValue::boolean}};
constexpr std::string_view k_usage =
    "Usage: dbuild copy [-q] SOURCE DESTINATION\n\n"
    "Copies an image with all its platforms and prints its digest; moves only the blobs that are missing there.\n\n"
    "  REFERENCE, docker://REFERENCE   a registry\n"
    "  oci:FOLDER[:NAME]               an OCI layout folder\n"
    "  archive:FILE[:NAME]             a tar file that docker load and skopeo take\n";

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
    cache::oci::Registries registries(std::move(settings));
    DBUILD_TRY_ASSIGN(const auto source, make_source(from, registries));
    DBUILD_TRY_ASSIGN(auto target, OpenTarget::open(to, registries));
    DBUILD_TRY_ASSIGN(const auto report, cache::oci::copy_image(*source, target.target()));
    DBUILD_TRY(target.finish());
    if (!is_quiet) {
        if (report.was_complete)
            fmt::print(stderr, "the image was there already\n");
        else
            fmt::print(stderr, "blobs: {} moved ({} bytes), {} mounted, {} were there\n", report.blobs_moved,
                       report.bytes_moved, report.blobs_mounted, report.blobs_there);
    }
    if (to.path != "-") fmt::print("{}\n", report.digest.to_string());
    return 0;
}

} // namespace dbuild::orchestrator::commands
