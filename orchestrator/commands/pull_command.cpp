// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/commands/pull_command.hpp"

#include "cache/oci/registry_image.hpp"
#include "dockerfile_parser/platform.hpp"
#include "orchestrator/cache_folder.hpp"
#include "orchestrator/command_line/flag_parser.hpp"
#include "orchestrator/registry_settings.hpp"
#include "orchestrator/store_target.hpp"
#include "support/platform.hpp"

#include <fmt/format.h>

namespace oci = dbuild::cache::oci;
namespace store = dbuild::cache::store;

namespace dbuild::orchestrator::commands {
namespace {

constexpr Flag k_flags[] = {
    {"platform", 0, FlagValue::text}, {"quiet", 'q', FlagValue::boolean}, {"help", 'h', FlagValue::boolean}};
constexpr std::string_view k_usage = "Usage: dbuild pull [-q] [--platform OS/ARCH[/VARIANT]] IMAGE...\n\n"
                                     "Brings images from registries into the cache and pins their digests, so that "
                                     "builds on them need no registry. Only\n"
                                     "layers that the cache lacks are fetched.\n";

} // namespace

Result<int> run_pull_command(std::span<const std::string> words, const std::atomic<bool>& cancelled) {
    DBUILD_TRY_ASSIGN(const auto parsed, parse_words(k_flags, words));
    auto platform = native_platform();
    bool is_quiet = false;
    for (const auto& use : parsed.uses) {
        const auto name = k_flags[use.flag].name;
        if (name == "platform") {
            const auto wanted = dockerfile_parser::normalized_platform(use.value, native_platform());
            if (!wanted) return fail(ErrorKind::usage, "--platform: " + wanted.error().message);
            platform = *wanted;
        }
        if (name == "quiet") is_quiet = use.value == "true";
        if (name == "help" && use.value == "true") {
            fmt::print("{}", k_usage);
            return 0;
        }
    }
    if (parsed.positionals.empty()) return fail(ErrorKind::usage, "pull needs an image: dbuild pull IMAGE...");
    std::vector<oci::ImageReference> names;
    for (const auto& text : parsed.positionals) {
        DBUILD_TRY_ASSIGN(auto name, oci::ImageReference::parse(text));
        names.push_back(std::move(name));
    }
    DBUILD_TRY_ASSIGN(auto settings, read_registry_settings(cancelled));
    oci::Registries registries(std::move(settings));
    DBUILD_TRY_ASSIGN(auto index, store::Index::open(cache_folder()));
    DBUILD_TRY_ASSIGN(auto layers, store::LayerStore::open(cache_folder()));
    for (const auto& name : names) {
        const auto source = oci::make_registry_source(registries, name);
        DBUILD_TRY_ASSIGN(const auto pulled, pull_into_store(*source, platform, name.familiar(), index, layers));
        if (!is_quiet)
            fmt::print(stderr, "{}: {} layers fetched ({} bytes), {} were there\n", name.familiar(),
                       pulled.layers_fetched, pulled.bytes_fetched, pulled.layers_there);
        fmt::print("{}\n", pulled.id);
    }
    return 0;
}

} // namespace dbuild::orchestrator::commands
