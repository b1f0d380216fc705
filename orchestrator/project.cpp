// SPDX-License-Identifier: Apache-2.0
// load_project() of plan.hpp: from a command line to evaluated stages.
#include "cache/oci/reference.hpp"
#include "dockerfile_parser/check.hpp"
#include "dockerfile_parser/diagnostics.hpp"
#include "dockerfile_parser/dockerignore.hpp"
#include "dockerfile_parser/parser.hpp"
#include "dockerfile_parser/triggers.hpp"
#include "orchestrator/cache_folder.hpp"
#include "orchestrator/context_look_ahead.hpp"
#include "orchestrator/ignore_file.hpp"
#include "orchestrator/plan.hpp"
#include "orchestrator/scope.hpp"
#include "orchestrator/shared_contexts.hpp"
#include "support/files.hpp"
#include "support/platform.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

namespace fs = std::filesystem;

namespace dbuild::orchestrator {
namespace {

namespace parser = dockerfile_parser;

Result<std::string> read_dockerfile(BuildOptions& options) {
    if (options.dockerfile_text) return *options.dockerfile_text;
    const bool is_default = options.dockerfile.empty();
    if (is_default) options.dockerfile = options.context / "Dockerfile";
    auto text = read_file(options.dockerfile);
    if (!text && is_default && text.error().kind == ErrorKind::not_found) { // BuildKit tries the lower-case name next
        auto lower_case = read_file(options.context / "dockerfile");
        if (lower_case) options.dockerfile = options.context / "dockerfile";
        if (lower_case) return lower_case;
        return fail(ErrorKind::not_found,
                    "there is no Dockerfile in " + options.context.string() + " (--file names another one)");
    }
    if (!text && !is_default) text.error().message = "--file: " + text.error().message;
    return text;
}

Status open_context(const Parts& parts, Project& project) {
    DBUILD_TRY_ASSIGN(auto file, read_ignore_file(project.options.dockerfile, project.options.context));
    DBUILD_TRY_ASSIGN(auto matcher, parser::IgnoreMatcher::parse(file.text, file.name));
    project.ignore_source = std::move(file.text);
    const auto open = [&]() -> Result<cache::context::ContextTree> {
        const auto shared =
            std::make_shared<const parser::IgnoreMatcher>(std::move(matcher)); // by the two functions below
        cache::context::ContextTree::PathPredicate is_ignored, can_skip;
        if (!shared->is_empty()) {
            is_ignored = [shared](std::string_view path) { return shared->is_ignored(path); };
            can_skip = [shared](std::string_view path) { return shared->can_skip_directory(path); };
        }
        return cache::context::ContextTree::open(project.options.context, std::move(is_ignored), std::move(can_skip),
                                                 parts.cache_folder.empty() ? fs::path() : parts.cache_folder / "stat");
    };
    if (parts.contexts) {
        DBUILD_TRY_ASSIGN(project.context,
                          parts.contexts->find_or_open(project.options.context, project.ignore_source, open));
        return {};
    }
    DBUILD_TRY_ASSIGN(auto context, open());
    project.context = std::make_shared<cache::context::ContextTree>(std::move(context));
    return {};
}

Status check_is_plannable(const Project& project) {
    const auto& syntax = project.dockerfile->syntax;
    if (!syntax.empty() && !syntax.starts_with("docker/dockerfile:") && syntax != "docker/dockerfile" &&
        !syntax.starts_with("docker.io/docker/dockerfile"))
        return fail(ErrorKind::unsupported, "# syntax=" + syntax);
    for (const auto& [name, value] : project.options.build_arguments)
        if (name.starts_with("BUILDKIT_")) return fail(ErrorKind::unsupported, "--build-arg " + name);
    const auto native = native_platform();
    for (const int index : project.graph.needed) {
        const auto& node = project.graph.stages[static_cast<std::size_t>(index)];
        const auto& platform = project.platform_of(index);
        if (platform == native) continue; // what nothing runs in, and stands on nothing, can be made for any
        const auto& instructions = project.dockerfile->stages[static_cast<std::size_t>(index)].instructions;
        const bool has_run = std::any_of(instructions.begin(), instructions.end(), [](const auto& instruction) {
            return std::holds_alternative<parser::RunInstruction>(instruction.body);
        });
        if (has_run) return fail(ErrorKind::unsupported, "RUN for " + platform);
        const auto is_image = [](const parser::StageReference& source) {
            return source.kind == parser::StageReference::Kind::image ||
                   source.kind == parser::StageReference::Kind::context;
        };
        if (is_image(node.base) || std::any_of(node.sources.begin(), node.sources.end(), is_image))
            return fail(ErrorKind::unsupported, "an image for " + platform);
    }
    return {};
}

/// Nothing where it is not given, or empty. Errors: invalid_dockerfile — no number; unsupported — centuries away.
/// Source: BuildKit's parseSourceDateEpoch.
Result<std::optional<Instant>> source_date_epoch(const std::map<std::string, std::string>& build_arguments) {
    constexpr std::int64_t k_max_seconds = 9'223'372'036; // that an Instant holds: to the year 2262
    const auto given = build_arguments.find("SOURCE_DATE_EPOCH");
    if (given == build_arguments.end() || given->second.empty()) return std::nullopt;
    const auto& text = given->second;
    const char* const begin = text.data() + (text.starts_with('+') ? 1 : 0);
    const char* const end = text.data() + text.size();
    std::int64_t seconds = 0;
    const auto [rest, error] = std::from_chars(begin, end, seconds);
    if (error != std::errc() || rest != end)
        return fail(ErrorKind::invalid_dockerfile,
                    "invalid SOURCE_DATE_EPOCH: " + text + " is no number of seconds since 1970");
    if (seconds > k_max_seconds || seconds < -k_max_seconds)
        return fail(ErrorKind::unsupported, "SOURCE_DATE_EPOCH=" + text);
    return Instant() + std::chrono::seconds(seconds);
}

/// Familiar reference of an image. Errors: invalid_dockerfile.
Result<std::string> base_reference(const std::string& image, const SourceSpan& where) {
    auto reference = cache::oci::ImageReference::parse(image);
    if (!reference) return fail(ErrorKind::invalid_dockerfile, reference.error().message, where);
    return reference->familiar();
}

/// What another target of a bake file has made is an image that nobody needs to look for.
bool take_image_context(Project& project, parser::StageReference& source) {
    if (source.kind != parser::StageReference::Kind::context) return false;
    const auto made = project.options.image_contexts.find(source.image);
    if (made == project.options.image_contexts.end()) return false;
    source = {parser::StageReference::Kind::image, -1, made->second->reference};
    project.bases.emplace(source.image, *made->second);
    return true;
}

/// Finds those that are not found yet.
Status find_base_images(const Parts& parts, Project& project) {
    std::set<std::string> references;
    for (const int index : project.graph.needed) {
        auto& node = project.graph.stages[static_cast<std::size_t>(index)];
        const auto& where = project.dockerfile->stages[static_cast<std::size_t>(index)].where;
        std::vector<parser::StageReference*> sources = {&node.base};
        for (auto& source : node.sources) sources.push_back(&source);
        for (auto* source : sources) {
            if (take_image_context(project, *source) || source->kind != parser::StageReference::Kind::image) continue;
            DBUILD_TRY_ASSIGN(source->image, base_reference(source->image, where));
            if (!project.bases.contains(source->image)) references.insert(source->image);
        }
    }
    if (references.empty()) return {};
    DBUILD_TRY_ASSIGN(auto found, find_bases(parts, project.options, {references.begin(), references.end()}));
    for (const auto& [reference, base] : found)
        if (base.config.os + "/" + base.config.architecture != native_platform())
            return fail(ErrorKind::unsupported,
                        "base image " + reference + " for " + base.config.os + "/" + base.config.architecture);
    project.bases.merge(found);
    return {};
}

/// Each needed stage begins with the ONBUILD triggers of what it is built on.
/// In: triggered — the stages that have theirs already. Out: whether a stage got some, which may read from more.
Result<bool> add_triggers(Project& project, std::set<int>& triggered) {
    bool has_more = false;
    auto& stages = project.dockerfile->stages;
    for (const int index : project.graph.needed) {
        if (!triggered.insert(index).second) continue;
        const auto& base = project.graph.stages[static_cast<std::size_t>(index)].base;
        std::vector<std::string> triggers;
        if (base.kind == parser::StageReference::Kind::image) triggers = project.bases.at(base.image).config.on_build;
        if (base.kind == parser::StageReference::Kind::stage)
            triggers = parser::triggers_of(stages[static_cast<std::size_t>(base.stage_index)]);
        DBUILD_TRY(parser::add_triggers(stages[static_cast<std::size_t>(index)], triggers, project.dockerfile->escape));
        has_more = has_more || !triggers.empty();
    }
    return has_more;
}

/// Which stages and images are needed: triggers of base images may name more of both.
Status find_stages_and_images(const Parts& parts, Project& project) {
    std::set<int> triggered;
    for (bool has_more = true; has_more;) {
        const auto native = native_platform();
        parser::StageGraphRequest request{
            project.options.target, project.options.build_arguments, project.platform, native, {}};
        for (const auto& [name, image] : project.options.image_contexts) request.contexts.insert(name);
        DBUILD_TRY_ASSIGN(project.graph, parser::build_stage_graph(*project.dockerfile, request));
        DBUILD_TRY(check_is_plannable(project));
        if (triggered.empty())
            project.context_look_ahead =
                look_ahead(project.context, literal_sources(*project.dockerfile, project.graph));
        DBUILD_TRY(find_base_images(parts, project));
        DBUILD_TRY_ASSIGN(has_more, add_triggers(project, triggered));
    }
    return {};
}

/// Below `# check=error=true` a lint warning fails the build: BuildKit says it in its own words, and its older versions
/// do not. Errors: unsupported.
Status check_for_warnings(const Project& project) {
    if (!project.dockerfile->warnings_are_errors) return {};
    DBUILD_TRY_ASSIGN(const auto ignored, parser::IgnoreMatcher::parse(project.ignore_source, ".dockerignore"));
    parser::CheckContext context;
    context.ignored = &ignored;
    context.platform = project.platform;
    context.build_arguments = project.options.build_arguments;
    context.find_base = [&project](const std::string& image) -> std::optional<parser::BaseImageFacts> {
        const auto reference = cache::oci::ImageReference::parse(image);
        const auto base = reference ? project.bases.find(reference->familiar()) : project.bases.end();
        if (base == project.bases.end()) return std::nullopt; // of a stage that is not needed
        return facts_of(base->second.config);
    };
    const auto report = parser::check_dockerfile(project.source, project.options.dockerfile.string(), context);
    if (report.warning_count() > 0)
        return fail(ErrorKind::unsupported, "a lint warning below check=error=true (dbuild check shows it)");
    return {};
}

BuildState state_of_scratch(std::string_view platform) {
    const auto os = platform.substr(0, platform.find('/'));
    const auto rest = platform.substr(os.size() + 1);
    const auto slash = std::min(rest.find('/'), rest.size());
    return state_from_scratch(os, rest.substr(0, slash), rest.substr(std::min(slash + 1, rest.size())));
}

Status resolve_stages(Project& project) {
    DBUILD_TRY_ASSIGN(const auto globals,
                      parser::global_arguments(*project.dockerfile, project.options.target,
                                               project.options.build_arguments, project.platform, native_platform()));
    const StageInputs inputs{project.dockerfile.get(), &project.options.build_arguments, &globals};
    for (const int index : project.graph.needed) {
        const auto& node = project.graph.stages[static_cast<std::size_t>(index)];
        BuildState state;
        switch (node.base.kind) {
        case parser::StageReference::Kind::scratch: // whatever platform FROM names, as in BuildKit
            state = state_of_scratch(project.platform);
            break;
        case parser::StageReference::Kind::image:
            state = state_from_image(project.bases.at(node.base.image).config);
            break;
        case parser::StageReference::Kind::stage:
            state = state_from_stage(project.stages.at(node.base.stage_index).final);
            break;
        case parser::StageReference::Kind::context:
            return fail(ErrorKind::unsupported, "--build-context " + node.base.image);
        }
        DBUILD_TRY_ASSIGN(auto stage, resolve_stage(inputs, node, std::move(state)));
        project.stages.emplace(index, std::move(stage));
    }
    return {};
}

Status fill_project(const Parts& parts, Project& project) {
    project.scope = local_scope(project.options);
    DBUILD_TRY_ASSIGN(auto dockerfile, parser::parse_dockerfile(project.source, project.options.dockerfile.string()));
    project.dockerfile = std::make_unique<parser::Dockerfile>(std::move(dockerfile));
    for (const auto& [message, where] : project.dockerfile->directive_warnings)
        parts.reporter->warning(fmt::format("line {}: {}", where.first_line, message));
    DBUILD_TRY_ASSIGN(project.epoch, source_date_epoch(project.options.build_arguments));
    DBUILD_TRY(open_context(parts, project));
    DBUILD_TRY(find_stages_and_images(parts, project));
    DBUILD_TRY(check_for_warnings(project));
    return resolve_stages(project);
}

} // namespace

Result<Project> load_project(const Parts& parts, BuildOptions options) {
    Project project;
    project.platform = options.platforms.empty() ? native_platform() : options.platforms.front();
    project.remote_files = std::make_unique<RemoteFiles>(cache_folder() / "remote");
    project.git_sources =
        std::make_unique<GitSources>([flag = parts.cancelled] { return flag && *flag; }, options.ssh_agents);
    DBUILD_TRY_ASSIGN(project.source, read_dockerfile(options));
    project.options = std::move(options);
    if (Status filled = fill_project(parts, project); !filled)
        return fail(project.explained(std::move(filled).error()));
    return project;
}

Error Project::explained(Error error) const {
    if (error.where && error.where->file == options.dockerfile.string())
        if (auto excerpt = parser::excerpt(source, *error.where); !excerpt.empty())
            error.context.push_back(std::move(excerpt));
    return error;
}

} // namespace dbuild::orchestrator
