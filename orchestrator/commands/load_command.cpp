// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/commands/load_command.hpp"

#include "cache/oci/image_archive.hpp"
#include "cache/oci/layout_folder.hpp"
#include "orchestrator/command_line/flag_parser.hpp"
#include "orchestrator/kept_image.hpp"
#include "orchestrator/local_images.hpp"
#include "orchestrator/owned_parts.hpp"
#include "support/files.hpp"
#include "support/process.hpp"

#include <fmt/format.h>

#include <unistd.h>

namespace oci = dbuild::cache::oci;

namespace dbuild::orchestrator::commands {
namespace {

constexpr std::string_view k_load_usage = "Usage: dbuild load [-q] [-i FILE]\n       dbuild load [-q] --scope SCOPE\n\n"
                                          "Brings an archive of docker save or dbuild save (default: standard input), "
                                          "or the last image that was built under a\n"
                                          "scope, into the engine. An image that is there is not sent, and of one "
                                          "whose name the engine knows only what is new.\n";
constexpr std::string_view k_run_usage = "Usage: dbuild run --scope SCOPE [-- COMMAND...]\n\nLoads the scope's last "
                                         "image and runs it with docker run --rm.\n";

struct Options {
    std::string input, scope;
    bool is_quiet = false, wants_help = false;
    std::vector<std::string> command;
};

Result<Options> parse(std::span<const Flag> flags, std::span<const std::string> words) {
    DBUILD_TRY_ASSIGN(auto parsed, parse_words(flags, words));
    Options options;
    for (const auto& use : parsed.uses) {
        const auto name = flags[use.flag].name;
        if (name == "input") options.input = use.value;
        if (name == "scope") options.scope = use.value;
        if (name == "quiet") options.is_quiet = use.value == "true";
        if (name == "help") options.wants_help = use.value == "true";
    }
    options.command = std::move(parsed.positionals);
    return options;
}

/// Out: its ID in the engine.
Result<std::string> load_scope(const Parts& parts, const std::string& scope, std::vector<std::string>& tags) {
    DBUILD_TRY_ASSIGN(const auto kept, find_kept_image(parts.layers->root(), scope));
    if (!kept) return fail(ErrorKind::not_found, "no image was built under the scope \"" + scope + "\" in this cache");
    DBUILD_TRY_ASSIGN(auto image, assembled(parts, *kept));
    auto exported = bring_to_engine(parts, std::move(image), kept->tags);
    if (!exported && exported.error().kind == ErrorKind::not_found)
        return fail(std::move(exported).error().with("the cache has not all of the image any more: build it again"));
    if (!exported) return fail(std::move(exported).error());
    tags = exported->tags;
    return exported->id;
}

/// The images of an archive by the digest of their manifests, with their names.
struct ArchivedImage {
    oci::Descriptor manifest;
    std::vector<std::string> names;
};

Result<std::vector<ArchivedImage>> list_images(const oci::Archive& archive) {
    DBUILD_TRY_ASSIGN(const auto index, archive.read_file("index.json"));
    DBUILD_TRY_ASSIGN(const auto entries, oci::list_layout(index));
    std::vector<ArchivedImage> images;
    for (const auto& entry : entries) {
        if (oci::is_index_type(entry.descriptor.media_type)) return fail(ErrorKind::unsupported, "several platforms");
        if (images.empty() || images.back().manifest.digest != entry.descriptor.digest)
            images.push_back({entry.descriptor, {}});
        if (!entry.image.empty()) images.back().names.push_back(entry.image);
    }
    return images;
}

/// Image by image, of each only what the engine lacks. Out: what to tell the user.
/// Errors: besides others, unsupported, corrupt, not_found — it is no archive of that kind, or only the engine knows
/// it.
Result<std::string> load_images(const Parts& parts, const std::filesystem::path& file) {
    DBUILD_TRY_ASSIGN(auto archive, oci::Archive::open(file));
    DBUILD_TRY_ASSIGN(const auto images, list_images(archive));
    const auto source = oci::make_archive_source(std::move(archive), "");
    std::string told;
    for (const auto& [descriptor, names] : images) {
        DBUILD_TRY_ASSIGN(const auto manifest, source->read_manifest(descriptor.digest));
        DBUILD_TRY_ASSIGN(auto image, read_image(*source, manifest));
        DBUILD_TRY_ASSIGN(const auto exported, bring_to_engine(parts, std::move(image), names));
        if (exported.tags.empty()) told += "Loaded image ID: " + exported.id + "\n";
        for (const auto& tag : exported.tags) told += "Loaded image: " + tag + "\n";
    }
    return told;
}

/// Archives of older engines, compressed ones and standard input go to the engine as they are.
Status load_stream(const Parts& parts, int fd) {
    DBUILD_TRY(parts.engine->load([&](char* buffer, std::size_t capacity) -> std::size_t {
        for (;;) {
            const auto count = ::read(fd, buffer, capacity);
            if (count >= 0) return static_cast<std::size_t>(count);
            if (errno != EINTR) return k_broken_body;
        }
    }));
    return {};
}

} // namespace

Result<int> run_load_command(std::span<const std::string> words, const std::atomic<bool>& cancelled) {
    static constexpr Flag k_flags[] = {{"input", 'i', FlagValue::text},
                                       {"scope", 0, FlagValue::text},
                                       {"quiet", 'q', FlagValue::boolean},
                                       {"help", 'h', FlagValue::boolean}};
    DBUILD_TRY_ASSIGN(const auto options, parse(k_flags, words));
    if (options.wants_help) {
        fmt::print("{}", k_load_usage);
        return 0;
    }
    if (!options.command.empty())
        return fail(ErrorKind::usage, "load takes no further words: dbuild load [-i FILE | --scope SCOPE]");
    if (!options.scope.empty() && !options.input.empty())
        return fail(ErrorKind::usage, "load takes --input or --scope, not both");
    DBUILD_TRY_ASSIGN(auto owned, open_parts());
    const auto reporter = progress::make_reporter(progress::Form::plain, progress::standard_error());
    const auto parts = owned.borrow(*reporter, cancelled);
    std::string told;
    if (!options.scope.empty()) {
        std::vector<std::string> tags;
        DBUILD_TRY_ASSIGN(const auto id, load_scope(parts, options.scope, tags));
        told = "Loaded image ID: " + id + "\n";
        for (const auto& tag : tags) told += "Loaded image: " + tag + "\n";
    } else if (options.input.empty() || options.input == "-") {
        DBUILD_TRY(load_stream(parts, STDIN_FILENO));
    } else {
        auto loaded = load_images(parts, options.input);
        const bool may_be_known =
            !loaded && (loaded.error().kind == ErrorKind::unsupported || loaded.error().kind == ErrorKind::corrupt ||
                        loaded.error().kind == ErrorKind::not_found);
        if (!loaded && !may_be_known) return fail(std::move(loaded).error());
        if (loaded) {
            told = *loaded;
        } else {
            DBUILD_TRY_ASSIGN(const Fd fd, open_for_reading(options.input));
            DBUILD_TRY(load_stream(parts, fd.get()));
        }
    }
    if (!options.is_quiet) fmt::print("{}", told);
    return 0;
}

Result<int> run_run_command(std::span<const std::string> words, const std::atomic<bool>& cancelled) {
    static constexpr Flag k_flags[] = {{"scope", 0, FlagValue::text}, {"help", 'h', FlagValue::boolean}};
    DBUILD_TRY_ASSIGN(const auto options, parse(k_flags, words));
    if (options.wants_help) {
        fmt::print("{}", k_run_usage);
        return 0;
    }
    if (options.scope.empty())
        return fail(ErrorKind::usage, "run needs a scope: dbuild run --scope SCOPE [-- COMMAND...]");
    std::string id;
    {
        DBUILD_TRY_ASSIGN(auto owned, open_parts());
        const auto reporter = progress::make_reporter(progress::Form::quiet, progress::standard_error());
        const auto parts = owned.borrow(*reporter, cancelled);
        std::vector<std::string> tags;
        DBUILD_TRY_ASSIGN(id, load_scope(parts, options.scope, tags));
    }
    ProcessOptions process{{"docker", "run", "--rm", "--interactive"}};
    if (::isatty(STDIN_FILENO) && ::isatty(STDOUT_FILENO)) process.arguments.emplace_back("--tty");
    process.arguments.push_back(id);
    process.arguments.insert(process.arguments.end(), options.command.begin(), options.command.end());
    DBUILD_TRY_ASSIGN(const auto result, run_inherited(process, std::nullopt, [&] { return cancelled.load(); }));
    return result.exit_status;
}

} // namespace dbuild::orchestrator::commands
