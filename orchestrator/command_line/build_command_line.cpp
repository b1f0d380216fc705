// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/command_line/build_command_line.hpp"

#include "orchestrator/command_line/build_flags.hpp"
#include "support/environment.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <unistd.h>

namespace dbuild::orchestrator {
namespace {

/// Variables that change what docker buildx builds, in ways that are not planned.
constexpr const char* k_unplanned_variables[] = {"EXPERIMENTAL_BUILDKIT_SOURCE_POLICY", "BUILDX_GIT_LABELS"};

bool is_one_of(std::string_view value, std::string_view list) {
    while (true) {
        const auto bar = list.find('|');
        if (value == list.substr(0, bar)) return true;
        if (bar == list.npos) return false;
        list.remove_prefix(bar + 1);
    }
}

Status apply(const BuildFlag& row, BuildCommandLine& line, const std::string& value) {
    if (row.apply) return row.apply(line, value);
    if (row.harmless == "*" || is_one_of(value, row.harmless)) return {};
    return fail(ErrorKind::unsupported, fmt::format("--{}", row.flag.name));
}

/// The first reason for handing over stays; usage errors go on.
Status note(BuildCommandLine& line, Status applied) {
    if (applied || applied.error().kind != ErrorKind::unsupported) return applied;
    if (line.handed_over_because.empty()) line.handed_over_because = applied.error().message;
    return {};
}

Status apply_default(BuildCommandLine& line, const ParsedWords& parsed, std::string_view flag_name,
                     const char* variable) {
    const auto value = environment(variable);
    if (value.empty()) return {};
    const auto rows = build_flags();
    for (const auto& use : parsed.uses)
        if (rows[use.flag].flag.name == flag_name) return {};
    const auto row = std::find_if(rows.begin(), rows.end(),
                                  [&](const BuildFlag& candidate) { return candidate.flag.name == flag_name; });
    Status applied = apply(*row, line, value);
    if (!applied) applied.error().message = fmt::format("{}={}", variable, value);
    return note(line, std::move(applied));
}

/// As gitutil.ParseGitRef of BuildKit and urlutil of docker/cli see it; a folder of that name comes first.
bool is_remote(std::string_view context) {
    for (const std::string_view prefix : {"http://", "https://", "git://", "ssh://", "git@", "github.com/"})
        if (context.starts_with(prefix)) return true;
    const auto at = context.find('@'), colon = context.find(':'); // user@host:path
    return at != context.npos && colon != context.npos && at < colon && context.find('/') > colon;
}

Status set_context(BuildCommandLine& line, const std::vector<std::string>& positionals) {
    if (positionals.empty()) return fail(ErrorKind::usage, "PATH is missing: a folder, a URL, or - for standard input");
    if (positionals.size() > 1)
        return fail(ErrorKind::usage, fmt::format("one PATH is expected, and there are {}: {}", positionals.size(),
                                                  fmt::join(positionals, " ")));
    const auto& context = positionals.front();
    line.options.context = context;
    if (context == "-") {
        if (line.options.dockerfile == "-")
            return fail(ErrorKind::usage, "--file - and PATH - cannot both read standard input");
        return note(line, fail(ErrorKind::unsupported, "the context is standard input"));
    }
    std::error_code error;
    if (std::filesystem::is_directory(context, error)) return {};
    if (is_remote(context)) return note(line, fail(ErrorKind::unsupported, "the context is a URL"));
    return fail(ErrorKind::usage,
                fmt::format("PATH: \"{}\" is {}", context,
                            std::filesystem::exists(context, error) ? "not a folder" : "neither a folder nor a URL"));
}

/// What is left when dbuild's own flags and values are taken out.
std::vector<std::string> docker_arguments(std::span<const std::string> words, const ParsedWords& parsed) {
    std::vector<std::string> kept;
    std::size_t next = 0;
    for (const auto& use : parsed.uses) {
        const auto& row = build_flags()[use.flag];
        const bool is_own_value = !row.flag.third.empty() && use.value == row.flag.third;
        if (row.group != FlagGroup::own && !is_own_value) continue;
        kept.insert(kept.end(), words.begin() + static_cast<std::ptrdiff_t>(next),
                    words.begin() + static_cast<std::ptrdiff_t>(use.first_word));
        next = use.first_word + use.word_count;
    }
    kept.insert(kept.end(), words.begin() + static_cast<std::ptrdiff_t>(next), words.end());
    return kept;
}

Status check_together(const BuildCommandLine& line) {
    if (line.options.ignores_cache && !line.options.uncached_stages.empty())
        return fail(ErrorKind::usage, "--no-cache and --no-cache-filter cannot be used together");
    for (const auto& output : line.options.outputs)
        if (output.kind == exporters::Output::Kind::registry && output.names.empty() && line.options.tags.empty())
            return fail(ErrorKind::usage, "a tag is needed to push to a registry: -t NAME");
    const auto writes_to_terminal = [](const exporters::Output& output) {
        return output.path == "-" && ::isatty(STDOUT_FILENO) == 1;
    };
    if (std::any_of(line.options.outputs.begin(), line.options.outputs.end(), writes_to_terminal))
        return fail(ErrorKind::usage, "--output: standard output is a terminal; dest=FILE is needed");
    return {};
}

/// Annotations for one platform are of images below an index only, and what is no manifest's needs OCI's types.
/// Source: BuildKit's image exporter, Commit.
void settle_annotations(BuildCommandLine& line) {
    auto& all = line.options.annotations;
    const bool has_index = line.options.platforms.size() > 1;
    const auto needs_oci = [](const Annotation& given) { return given.level != Annotation::Level::manifest; };
    const auto is_of_platform = [](const Annotation& given) { return !given.platform.empty(); };
    for (auto& output : line.options.outputs) {
        auto& own = output.packing.annotations;
        if (std::any_of(all.begin(), all.end(), needs_oci) || std::any_of(own.begin(), own.end(), needs_oci))
            output.packing.types = exporters::MediaTypes::oci;
        if (!has_index) std::erase_if(own, is_of_platform);
    }
    if (!has_index) std::erase_if(all, is_of_platform);
}

/// What is for an index needs one: BuildKit says so, or has one because of its attestations. Errors: unsupported.
Status check_index(const BuildCommandLine& line) {
    const auto& platforms = line.options.platforms;
    const auto& outputs = line.options.outputs;
    if (platforms.size() > 1) {
        if (!outputs.empty() && std::all_of(outputs.begin(), outputs.end(), [](const auto& output) {
                return output.takes_indexes() || output.kind == exporters::Output::Kind::nothing;
            }))
            return {};
        return fail(ErrorKind::unsupported,
                    fmt::format("--platform {} for an engine or a folder of files", fmt::join(platforms, ",")));
    }
    const auto is_of_index = [](const Annotation& annotation) {
        return annotation.level == Annotation::Level::index || annotation.level == Annotation::Level::index_descriptor;
    };
    const auto has_index = [&](const auto& annotations) {
        return std::any_of(annotations.begin(), annotations.end(), is_of_index);
    };
    if (has_index(line.options.annotations) || std::any_of(outputs.begin(), outputs.end(), [&](const auto& output) {
            return has_index(output.packing.annotations);
        }))
        return fail(ErrorKind::unsupported, "--annotation index of an image for one platform");
    return {};
}

/// Those of the environment where the words name none; one that is written needs no second look for reading.
Status set_remotes(BuildCommandLine& line) {
    auto& remotes = line.options.cache_remotes;
    if (remotes.empty()) {
        std::istringstream words(environment("DBUILD_CACHE_REMOTE"));
        for (std::string word; words >> word;) {
            auto url = cache::remote::parse_remote_url(word);
            if (!url) return fail(ErrorKind::usage, "DBUILD_CACHE_REMOTE: " + url.error().message);
            remotes.push_back(std::move(*url));
        }
    }
    std::set<std::filesystem::path> written;
    for (const auto& url : remotes)
        if (url.access == cache::remote::Access::read_and_write) written.insert(url.path);
    std::erase_if(remotes, [&](const auto& url) {
        return url.access == cache::remote::Access::read_only && written.contains(url.path);
    });
    return {};
}

Status set_output_kind(BuildCommandLine& line) {
    line.options.is_quiet = line.options.is_quiet || line.progress == progress::Form::quiet;
    if (!line.options.is_quiet) return {};
    if (line.progress != progress::Form::automatic && line.progress != progress::Form::quiet)
        return fail(ErrorKind::usage, "--progress and --quiet cannot be used together");
    line.progress = progress::Form::quiet;
    return {};
}

} // namespace

Result<BuildCommandLine> parse_build_command_line(std::span<const std::string> words) {
    const auto rows = build_flags();
    std::vector<Flag> flags;
    for (const auto& row : rows) flags.push_back(row.flag);
    DBUILD_TRY_ASSIGN(const auto parsed, parse_words(flags, words));
    BuildCommandLine line;
    for (const auto& use : parsed.uses) DBUILD_TRY(note(line, apply(rows[use.flag], line, use.value)));
    if (line.wants_help) return line;
    DBUILD_TRY(set_context(line, parsed.positionals));
    DBUILD_TRY(apply_default(line, parsed, "platform", "DOCKER_DEFAULT_PLATFORM"));
    DBUILD_TRY(apply_default(line, parsed, "builder", "BUILDX_BUILDER"));
    DBUILD_TRY(apply_default(line, parsed, "executor", "DBUILD_EXECUTOR"));
    const bool has_own = !environment("DBUILD_PROGRESS").empty();
    if (!line.options.is_quiet)
        DBUILD_TRY(apply_default(line, parsed, "progress", has_own ? "DBUILD_PROGRESS" : "BUILDKIT_PROGRESS"));
    if (const auto epoch = environment("SOURCE_DATE_EPOCH"); !epoch.empty())
        line.options.build_arguments.emplace("SOURCE_DATE_EPOCH", epoch); // one that is given on the command line stays
    DBUILD_TRY(set_remotes(line));
    DBUILD_TRY(set_output_kind(line));
    DBUILD_TRY(check_together(line));
    DBUILD_TRY(note(line, check_index(line)));
    settle_annotations(line);
    for (const char* variable : k_unplanned_variables)
        if (!environment(variable).empty())
            DBUILD_TRY(note(line, fail(ErrorKind::unsupported, fmt::format("{} is set", variable))));
    line.options.docker_arguments = docker_arguments(words, parsed);
    return line;
}

} // namespace dbuild::orchestrator
