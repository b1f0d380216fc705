// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/command_line/build_flags.hpp"

#include "cache/oci/reference.hpp"
#include "dockerfile_parser/platform.hpp"
#include "dockerfile_parser/step_directives.hpp"
#include "orchestrator/command_line/fields.hpp"
#include "orchestrator/run_secrets.hpp"
#include "support/platform.hpp"
#include "support/quantity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

namespace dbuild::orchestrator {
namespace {

using Line = BuildCommandLine;
using Value = const std::string&;

/// The build goes to docker buildx because of this flag.
tl::unexpected<Error> not_planned(std::string flag) { return fail(ErrorKind::unsupported, std::move(flag)); }

bool is_url(std::string_view text) { return text.starts_with("http://") || text.starts_with("https://"); }

Status set_file(Line& line, Value value) {
    if (is_url(value)) return not_planned("--file is a URL");
    line.options.dockerfile = value;
    return {};
}

Status add_tag(Line& line, Value value) {
    if (const auto reference = cache::oci::ImageReference::parse(value); !reference)
        return fail(ErrorKind::usage, "--tag: " + reference.error().message);
    line.options.tags.push_back(value);
    return {};
}

/// "K=V", or "K" for the value of that environment variable; nothing where it is not set there.
Status add_build_argument(Line& line, Value value) {
    const auto equals = value.find('=');
    const auto name = value.substr(0, equals);
    if (name.empty()) return fail(ErrorKind::usage, fmt::format("--build-arg: \"{}\" has no name", value));
    if (equals != value.npos)
        line.options.build_arguments.insert_or_assign(name, value.substr(equals + 1));
    else if (const char* inherited = std::getenv(name.c_str()))
        line.options.build_arguments.insert_or_assign(name, inherited);
    return {};
}

Status add_label(Line& line, Value value) {
    const auto equals = value.find('=');
    if (equals == 0 || value.empty()) return fail(ErrorKind::usage, fmt::format("--label: \"{}\" has no name", value));
    line.options.labels.insert_or_assign(value.substr(0, equals), equals == value.npos ? "" : value.substr(equals + 1));
    return {};
}

Status add_annotation(Line& line, Value value) {
    auto parsed = parse_annotations(value);
    if (!parsed) return fail(ErrorKind::usage, "--annotation: " + parsed.error().message);
    line.options.annotations.insert(line.options.annotations.end(), parsed->begin(), parsed->end());
    return {};
}

Status add_output(Line& line, Value value) {
    DBUILD_TRY_ASSIGN(auto output, exporters::Output::parse(value));
    line.options.outputs.push_back(std::move(output));
    return {};
}

/// --load and --push are outputs of their own, once.
Status add_plain_output(Line& line, Value value, exporters::Output::Kind kind) {
    auto& outputs = line.options.outputs;
    const auto is_same = [&](const exporters::Output& output) { return output.kind == kind && output.names.empty(); };
    if (value != "true" || std::any_of(outputs.begin(), outputs.end(), is_same)) return {};
    outputs.emplace_back();
    outputs.back().kind = kind;
    return {};
}
Status set_load(Line& line, Value value) { return add_plain_output(line, value, exporters::Output::Kind::engine); }
Status set_push(Line& line, Value value) { return add_plain_output(line, value, exporters::Output::Kind::registry); }

/// A list with commas; "local" is buildx's own word for this machine's platform.
Status add_platforms(Line& line, Value value) {
    const auto native = native_platform();
    for (const auto& word : split_list(value)) {
        auto platform = word == "local" ? native : dockerfile_parser::normalized_platform(word, native);
        if (!platform) return fail(ErrorKind::usage, "--platform: " + platform.error().message);
        if (!platform->starts_with("linux/")) return not_planned("--platform " + value);
        auto& platforms = line.options.platforms;
        if (std::find(platforms.begin(), platforms.end(), *platform) == platforms.end())
            platforms.push_back(std::move(*platform));
    }
    return {};
}

Status set_progress(Line& line, Value value) {
    DBUILD_TRY_ASSIGN(line.progress, progress::parse_form(value));
    return {};
}

/// A list with commas, as the frontend takes it; stages have lower-case names.
Status add_uncached_stages(Line& line, Value value) {
    for (auto& name : split_list(value)) {
        std::transform(name.begin(), name.end(), name.begin(),
                       [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
        if (!name.empty()) line.options.uncached_stages.push_back(std::move(name));
    }
    return {};
}

Status set_time_to_live(std::optional<std::chrono::nanoseconds>& option, std::string_view flag, Value value) {
    const auto duration = dockerfile_parser::parse_time_to_live(value);
    if (!duration) return fail(ErrorKind::usage, fmt::format("{}: {}", flag, duration.error().message));
    option = *duration;
    return {};
}
Status set_cache_ttl(Line& line, Value value) { return set_time_to_live(line.options.cache_ttl, "--cache-ttl", value); }
Status set_base_ttl(Line& line, Value value) { return set_time_to_live(line.options.base_ttl, "--base-ttl", value); }

Status add_secret_salt(Line& line, Value value) {
    const auto equals = value.find('=');
    if (equals == 0 || equals == value.npos)
        return fail(ErrorKind::usage, "--secret-salt takes ID=TEXT, with the id of a secret");
    line.options.secret_salts.insert_or_assign(value.substr(0, equals), value.substr(equals + 1));
    return {};
}

Status add_remote(Line& line, Value value) {
    auto url = cache::remote::parse_remote_url(value);
    if (!url) return fail(ErrorKind::usage, "--cache-remote: " + url.error().message);
    line.options.cache_remotes.push_back(std::move(*url));
    return {};
}

/// BuildKit's cache in a folder becomes a remote in that folder, beside whatever BuildKit keeps there.
Status add_local_cache(Line& line, Value value, std::string_view path_field, std::string_view mode) {
    const auto fields = parse_fields(value);
    if (!fields || field_of(*fields, "type") != "local" || field_of(*fields, path_field).empty())
        return not_planned(path_field == "src" ? "--cache-from" : "--cache-to");
    return add_remote(line, fmt::format("dir:{}{}", field_of(*fields, path_field), mode));
}
Status add_cache_from(Line& line, Value value) { return add_local_cache(line, value, "src", "?mode=read"); }
Status add_cache_to(Line& line, Value value) { return add_local_cache(line, value, "dest", ""); }

Status set_cache_deadline(Line& line, Value value) {
    const auto seconds = parse_age_seconds(value);
    if (!seconds) return fail(ErrorKind::usage, "--cache-deadline: " + seconds.error().message);
    line.options.cache_deadline = std::chrono::seconds(*seconds);
    return {};
}

Status set_executor(Line& line, Value value) {
    if (value == "auto")
        line.executor = ExecutorKind::automatic;
    else if (value == "buildx")
        line.executor = ExecutorKind::buildx;
    else if (value == "runtime")
        line.executor = ExecutorKind::runtime;
    else
        return fail(ErrorKind::usage, fmt::format("--executor: \"{}\" is none of auto, buildx and runtime", value));
    return {};
}

Status set_builder(Line& line, Value value) { return line.builder = value, Status{}; }
Status set_target(Line& line, Value value) { return line.options.target = value, Status{}; }
Status set_no_cache(Line& line, Value value) { return line.options.ignores_cache = value == "true", Status{}; }
Status set_pull(Line& line, Value value) {
    line.options.pulls_bases = value == "true";
    line.options.never_pulls = value == "never";
    return {};
}
Status set_metadata_file(Line& line, Value value) { return line.options.metadata_file = value, Status{}; }
Status set_quiet(Line& line, Value value) { return line.options.is_quiet = value == "true", Status{}; }
Status set_image_id_file(Line& line, Value value) { return line.options.image_id_file = value, Status{}; }
Status set_scope(Line& line, Value value) { return line.options.scope = value, Status{}; }
Status add_fallback_scope(Line& line, Value value) { return line.options.fallback_scopes.push_back(value), Status{}; }
Status set_report(Line& line, Value value) { return line.options.report = value, Status{}; }
Status set_help(Line& line, Value value) { return line.wants_help = value == "true", Status{}; }
Status add_secret(Line& line, Value value) {
    DBUILD_TRY(check_secret(value));
    return line.options.secrets.push_back(value), Status{};
}
Status add_ssh_agent(Line& line, Value value) { return line.options.ssh_agents.push_back(value), Status{}; }

constexpr auto boolean = FlagValue::boolean;
constexpr auto text = FlagValue::text;
constexpr auto handed_over = nullptr;

// clang-format off
constexpr BuildFlag k_flags[] = {
    // {name, short, kind}, group, what dbuild does, harmless values, value's name, help
    {{"tag", 't', text}, FlagGroup::image, add_tag, "", "NAME[:TAG]", "name of the image; repeatable"},
    {{"label", 0, text}, FlagGroup::image, add_label, "", "NAME=VALUE", "label of the image; repeatable"},
    {{"target", 0, text}, FlagGroup::image, set_target, "", "STAGE", "stage to build (default: the last)"},
    {{"platform", 0, text}, FlagGroup::image, add_platforms, "", "OS/ARCH", "for which; several, by commas, give an index"},
    {{"annotation", 0, text}, FlagGroup::image, add_annotation, "", "NAME=VALUE",
     "annotation of the manifest, or of what LEVEL: or LEVEL[PLATFORM]: before it says; repeatable"},

    {{"file", 'f', text}, FlagGroup::input, set_file, "", "PATH",
     "Dockerfile (default: PATH/Dockerfile; \"-\": standard input)"},
    {{"build-arg", 0, text}, FlagGroup::input, add_build_argument, "", "NAME[=VALUE]",
     "build argument; without a value the environment's; repeatable"},
    {{"pull", 0, boolean, "never"}, FlagGroup::input, set_pull, "", "",
     "ask the registry for the base images again; --pull=never: take what engine and cache have"},
    {{"build-context", 0, text}, FlagGroup::input, handed_over, "", "NAME=SOURCE", "another build context"},

    {{"no-cache", 0, boolean}, FlagGroup::cache, set_no_cache, "", "", "run every step again"},
    {{"no-cache-filter", 0, text}, FlagGroup::cache, add_uncached_stages, "", "STAGE", "run the steps of a stage again"},
    {{"cache-from", 0, text}, FlagGroup::cache, add_cache_from, "", "SOURCE",
     "type=local,src=PATH: --cache-remote dir:PATH?mode=read; others: *"},
    {{"cache-to", 0, text}, FlagGroup::cache, add_cache_to, "", "DESTINATION",
     "type=local,dest=PATH: --cache-remote dir:PATH; others: *"},

    {{"load", 0, boolean}, FlagGroup::output, set_load, "", "", "load the image into the engine, as without any output"},
    {{"output", 'o', text}, FlagGroup::output, add_output, "", "type=TYPE,...",
     "docker, image, registry, oci, local, tar or cacheonly; repeatable"},
    {{"push", 0, boolean}, FlagGroup::output, set_push, "", "", "push the image to its registry: only what is not there"},
    {{"iidfile", 0, text}, FlagGroup::output, set_image_id_file, "", "FILE", "write the image ID to this file"},
    {{"metadata-file", 0, text}, FlagGroup::output, set_metadata_file, "", "FILE",
     "write digests and names as JSON to this file"},
    {{"quiet", 'q', boolean}, FlagGroup::output, set_quiet, "", "", "print the image ID only"},
    {{"progress", 0, text}, FlagGroup::output, set_progress, "", "KIND", "auto, plain, tty, rawjson, quiet or none"},
    {{"debug", 'D', boolean}, FlagGroup::output, handed_over, "false", "", "debug output of docker buildx"},
    {{"call", 0, text}, FlagGroup::output, handed_over, "build", "METHOD",
     "check, outline or targets instead of a build"},
    {{"check", 0, boolean}, FlagGroup::output, handed_over, "false", "", "the same as --call check"},
    {{"print", 0, text}, FlagGroup::output, handed_over, "", "METHOD", "the same as --call, in older versions"},
    {{"builder", 0, text}, FlagGroup::output, set_builder, "", "NAME", "only the engine's own builder is planned"},

    {{"secret", 0, text}, FlagGroup::run, add_secret, "", "id=ID,...", "secret that RUN may mount"},
    {{"ssh", 0, text}, FlagGroup::run, add_ssh_agent, "", "ID[=SOCKET]", "SSH agent that RUN may use"},
    {{"network", 0, text}, FlagGroup::run, handed_over, "default", "MODE", "network of RUN"},
    {{"add-host", 0, text}, FlagGroup::run, handed_over, "", "HOST:IP", "line for /etc/hosts"},
    {{"allow", 0, text}, FlagGroup::run, handed_over, "", "RIGHT", "extra right of RUN"},
    {{"cgroup-parent", 0, text}, FlagGroup::run, handed_over, "", "NAME", "parent cgroup of RUN"},
    {{"shm-size", 0, text}, FlagGroup::run, handed_over, "0", "BYTES", "size of /dev/shm"},
    {{"ulimit", 0, text}, FlagGroup::run, handed_over, "", "NAME=LIMIT", "limit of RUN"},
    {{"resource", 0, text}, FlagGroup::run, handed_over, "", "NAME=VALUE", "limit of RUN, in newer versions"},
    {{"policy", 0, text}, FlagGroup::run, handed_over, "", "POLICY", "source policy, in newer versions"},

    {{"attest", 0, text}, FlagGroup::attestation, handed_over, "", "type=TYPE,...", "attestation"},
    {{"provenance", 0, text}, FlagGroup::attestation, handed_over, "false|0", "VALUE",
     "none is made unless it is asked for"},
    {{"sbom", 0, text}, FlagGroup::attestation, handed_over, "false|0", "VALUE", "none is made unless it is asked for"},

    {{"scope", 0, text}, FlagGroup::own, set_scope, "", "NAME",
     "cache scope (default: the image's name, else the folder's)"},
    {{"cache-remote", 0, text}, FlagGroup::own, add_remote, "", "URL",
     "where results are shared: dir:PATH[?max-size=SIZE&mode=read]; repeatable (default: DBUILD_CACHE_REMOTE)"},
    {{"scope-from", 0, text}, FlagGroup::own, add_fallback_scope, "", "NAME",
     "scope that is read from remotes as well; repeatable"},
    {{"cache-deadline", 0, text}, FlagGroup::own, set_cache_deadline, "", "TIME",
     "how long to publish at the end of a build (default: 30s)"},
    {{"executor", 0, text}, FlagGroup::own, set_executor, "", "NAME",
     "who runs missing RUNs: buildx, or runtime (crun or runc, as root), or auto, runtime where it can (default: DBUILD_EXECUTOR)"},
    {{"cache-ttl", 0, text}, FlagGroup::own, set_cache_ttl, "", "DURATION",
     "run a RUN that may reach the network again when its result is older, such as 24h"},
    {{"base-ttl", 0, text}, FlagGroup::own, set_base_ttl, "", "DURATION",
     "take what a base image's name was found to mean for that long; --pull asks in any case"},
    {{"secret-salt", 0, text}, FlagGroup::own, add_secret_salt, "", "ID=TEXT",
     "run what mounts this secret again when TEXT changes; never the secret itself"},
    {{"report", 0, text}, FlagGroup::own, set_report, "", "FILE",
     "write a JSON report to this file, also when the build fails"},
    {{"help", 'h', boolean}, FlagGroup::own, set_help, "", "", "print this text"},

    {{"rm", 0, boolean}, FlagGroup::legacy, handed_over, "*", "", ""},
    {{"force-rm", 0, boolean}, FlagGroup::legacy, handed_over, "*", "", ""},
    {{"compress", 0, boolean}, FlagGroup::legacy, handed_over, "*", "", ""},
    {{"disable-content-trust", 0, boolean}, FlagGroup::legacy, handed_over, "true", "", ""},
    {{"squash", 0, boolean}, FlagGroup::legacy, handed_over, "false", "", ""},
    {{"isolation", 0, text}, FlagGroup::legacy, handed_over, "", "NAME", ""},
    {{"security-opt", 0, text}, FlagGroup::legacy, handed_over, "", "OPTION", ""},
    {{"memory", 'm', text}, FlagGroup::legacy, handed_over, "0", "BYTES", ""},
    {{"memory-swap", 0, text}, FlagGroup::legacy, handed_over, "0", "BYTES", ""},
    {{"cpu-shares", 'c', text}, FlagGroup::legacy, handed_over, "0", "NUMBER", ""},
    {{"cpu-period", 0, text}, FlagGroup::legacy, handed_over, "0", "NUMBER", ""},
    {{"cpu-quota", 0, text}, FlagGroup::legacy, handed_over, "0", "NUMBER", ""},
    {{"cpuset-cpus", 0, text}, FlagGroup::legacy, handed_over, "", "LIST", ""},
    {{"cpuset-mems", 0, text}, FlagGroup::legacy, handed_over, "", "LIST", ""},
    {{"detach", 0, boolean}, FlagGroup::legacy, handed_over, "false", "", ""},
    {{"root", 0, text}, FlagGroup::legacy, handed_over, "", "PATH", ""},
    {{"server-config", 0, text}, FlagGroup::legacy, handed_over, "", "FILE", ""},
};
// clang-format on

struct GroupTitle {
    FlagGroup group;
    std::string_view title;
};
constexpr GroupTitle k_titles[] = {{FlagGroup::image, "Image"},     {FlagGroup::input, "What is built"},
                                   {FlagGroup::cache, "Cache"},     {FlagGroup::output, "Result and output"},
                                   {FlagGroup::run, "RUN"},         {FlagGroup::attestation, "Attestations"},
                                   {FlagGroup::own, "dbuild's own"}};

std::string help_line(const BuildFlag& row) {
    const auto& flag = row.flag;
    const auto short_form = flag.short_name ? fmt::format("-{}, ", flag.short_name) : std::string("    ");
    const auto long_form = fmt::format("--{}{}{}", flag.name, row.value_name.empty() ? "" : " ", row.value_name);
    return fmt::format("  {}{:<30} {}{}\n", short_form, long_form, row.help,
                       row.apply || row.harmless == "*" ? "" : " *");
}

} // namespace

std::span<const BuildFlag> build_flags() { return k_flags; }

std::string build_flags_help() {
    std::string help;
    for (const auto& [group, title] : k_titles) {
        help += fmt::format("\n{}:\n", title);
        for (const auto& row : k_flags)
            if (row.group == group) help += help_line(row);
    }
    help += "\nOf older builders, all *:\n ";
    for (const auto& row : k_flags)
        if (row.group == FlagGroup::legacy) help += fmt::format(" --{}", row.flag.name);
    help += "\n\n* sends the whole build to docker buildx build, with the same flags; one line says so.\n";
    return help;
}

} // namespace dbuild::orchestrator
