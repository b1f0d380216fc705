// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/commands/save_command.hpp"

#include "cache/oci/image_archive.hpp"
#include "orchestrator/command_line/flag_parser.hpp"
#include "orchestrator/exporters/packed_image.hpp"
#include "orchestrator/image_place.hpp"
#include "orchestrator/local_images.hpp"
#include "orchestrator/owned_parts.hpp"
#include "support/process.hpp"

#include <fmt/format.h>

#include <unistd.h>

namespace oci = dbuild::cache::oci;

namespace dbuild::orchestrator::commands {
namespace {

constexpr Flag k_flags[] = {
    {"output", 'o', FlagValue::text}, {"compression", 0, FlagValue::text}, {"help", 'h', FlagValue::boolean}};
constexpr std::string_view k_usage = "Usage: dbuild save [-o FILE] [--compression zstd|gzip|uncompressed] IMAGE...\n\n"
                                     "Writes images that dbuild built into one archive, from the cache, for dbuild "
                                     "load, docker load and skopeo. What the\n"
                                     "cache has not, docker save writes.\n";

struct Options {
    std::string output = "-";
    exporters::Compression compression{exporters::Compression::Kind::zstd, -1};
    std::vector<std::string> images;
    bool wants_help = false;
};

Result<Options> parse(std::span<const std::string> words) {
    DBUILD_TRY_ASSIGN(auto parsed, parse_words(k_flags, words));
    Options options;
    for (const auto& use : parsed.uses) {
        const auto name = k_flags[use.flag].name;
        if (name == "output") options.output = use.value;
        if (name == "help") options.wants_help = use.value == "true";
        if (name == "compression") {
            const auto kind = exporters::Compression::parse_kind(use.value);
            if (!kind)
                return fail(ErrorKind::usage, "--compression: " + use.value + " is not zstd, gzip or uncompressed");
            options.compression.kind = *kind;
        }
    }
    options.images = std::move(parsed.positionals);
    return options;
}

/// What the cache has under that tag, unless the engine has something else there meanwhile.
Result<std::optional<AssembledImage>> find_image(const Parts& parts, const oci::ImageReference& name) {
    DBUILD_TRY_ASSIGN(auto image, find_in_cache(parts, name));
    if (!image) return std::nullopt;
    if (const auto present = parts.engine->find_image(name.familiar()); present && *present) {
        const auto& id = (*present)->id;
        if (id != image->manifest_digest.to_string() && id != image->config_digest.to_string()) return std::nullopt;
    }
    return image;
}

Result<int> save_by_docker(const Options& options, const std::atomic<bool>& cancelled) {
    ProcessOptions process{{"docker", "save"}};
    if (options.output != "-") process.arguments.insert(process.arguments.end(), {"-o", options.output});
    process.arguments.insert(process.arguments.end(), options.images.begin(), options.images.end());
    DBUILD_TRY_ASSIGN(const auto result, run_inherited(process, std::nullopt, [&] { return cancelled.load(); }));
    return result.exit_status;
}

/// Errors: not_found — not all of them are in the cache.
Status save_from_cache(const Parts& parts, const Options& options) {
    struct Found {
        std::string name;
        AssembledImage image;
    };
    std::vector<Found> found;
    for (const auto& text : options.images) {
        DBUILD_TRY_ASSIGN(const auto name, oci::ImageReference::parse(text));
        DBUILD_TRY_ASSIGN(auto image, find_image(parts, name));
        if (!image) return fail(ErrorKind::not_found, name.familiar() + " is not in the cache");
        found.push_back({name.to_string(), std::move(*image)});
    }
    std::vector<exporters::PackedImage> packed; // all of it, before a byte is written
    for (const auto& [name, image] : found) {
        DBUILD_TRY(require_layers(parts, image));
        DBUILD_TRY_ASSIGN(auto one, exporters::pack_image(parts, image, {options.compression, {}, {}}, ""));
        DBUILD_TRY(exporters::remember_packing(parts, one));
        packed.push_back(std::move(one));
    }
    DBUILD_TRY_ASSIGN(auto output, ArchiveOutput::open(options.output));
    for (std::size_t i = 0; i < packed.size(); ++i) {
        output.target().set_names({found[i].name});
        DBUILD_TRY(oci::copy_image(*packed[i].source, output.target()));
    }
    return output.finish();
}

} // namespace

Result<int> run_save_command(std::span<const std::string> words, const std::atomic<bool>& cancelled) {
    DBUILD_TRY_ASSIGN(const auto options, parse(words));
    if (options.wants_help) {
        fmt::print("{}", k_usage);
        return 0;
    }
    if (options.images.empty()) return fail(ErrorKind::usage, "save needs an image: dbuild save [-o FILE] IMAGE...");
    if (options.output == "-" && ::isatty(STDOUT_FILENO))
        return fail(ErrorKind::usage, "an archive is nothing for a terminal: give -o FILE or redirect the output");
    DBUILD_TRY_ASSIGN(auto owned, open_parts());
    const auto reporter = progress::make_reporter(progress::Form::plain, progress::standard_error());
    const auto saved = save_from_cache(owned.borrow(*reporter, cancelled), options);
    if (saved) return 0;
    if (saved.error().kind != ErrorKind::not_found) return fail(saved.error());
    reporter->note(saved.error().message + "; docker save writes the archive");
    return save_by_docker(options, cancelled);
}

} // namespace dbuild::orchestrator::commands
