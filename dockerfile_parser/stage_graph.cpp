// SPDX-License-Identifier: Apache-2.0
#include "dockerfile_parser/stage_graph.hpp"

#include "dockerfile_parser/expansion.hpp"
#include "dockerfile_parser/flags.hpp"
#include "dockerfile_parser/run_mount.hpp"
#include "dockerfile_parser/unicode.hpp"

#include <algorithm>
#include <charconv>

namespace dbuild::dockerfile_parser {
namespace {

/// Index of the last stage of this (lower-case) name; -1 if there is none.
int last_stage_named(const Dockerfile& dockerfile, std::string_view name) {
    for (auto stage = dockerfile.stages.rbegin(); stage != dockerfile.stages.rend(); ++stage)
        if (!name.empty() && stage->from.stage_name == name) return stage->index;
    return -1;
}

Result<StageReference> earlier_stage(int stage, int current, std::string_view from, std::string_view verb) {
    if (stage == current) return fail(ErrorKind::invalid_dockerfile, "circular dependency detected on stage: " + std::string(from));
    if (stage > current)
        return fail(ErrorKind::invalid_dockerfile, "cannot " + std::string(verb) + " from stage \"" + std::string(from) +
                                                       "\", it needs to be defined before current stage");
    return StageReference{StageReference::Kind::stage, stage, {}};
}

/// FROM: `scratch`, else exactly a stage before this one (the nearest), else an image.
StageReference resolve_base(const Dockerfile& dockerfile, int current, const std::string& base) {
    if (base == "scratch") return {StageReference::Kind::scratch, -1, {}}; // even when a stage has that name
    for (int index = current - 1; index >= 0; --index)
        if (!base.empty() && dockerfile.stages[static_cast<std::size_t>(index)].from.stage_name == base)
            return {StageReference::Kind::stage, index, {}};
    return {StageReference::Kind::image, -1, base};
}

Result<int> find_target(const Dockerfile& dockerfile, std::string_view target) {
    if (target.empty()) return static_cast<int>(dockerfile.stages.size()) - 1;
    const int index = last_stage_named(dockerfile, ascii_lower(target));
    if (index >= 0) return index;
    std::vector<std::string> names;
    for (const auto& stage : dockerfile.stages)
        if (!stage.from.stage_name.empty()) names.push_back(stage.from.stage_name);
    return fail(ErrorKind::invalid_dockerfile, "target stage \"" + std::string(target) + "\" could not be found" +
                                                   suggestion(target, names, CaseRule::insensitive));
}

/// What the instructions of a stage read from, in order.
Result<std::vector<StageReference>> read_sources(const Dockerfile& dockerfile, const Stage& stage) {
    std::vector<StageReference> sources;
    for (const auto& instruction : stage.instructions) {
        std::vector<Result<StageReference>> references;
        if (const auto* copy = std::get_if<CopyInstruction>(&instruction.body); copy && !copy->from.empty())
            references.push_back(resolve_copy_from(dockerfile, stage.index, copy->from));
        if (const auto* run = std::get_if<RunInstruction>(&instruction.body)) {
            auto names = mount_sources(*run);
            if (!names) {
                names.error().where = instruction.where;
                return fail(std::move(names).error());
            }
            for (const auto& name : *names) references.push_back(resolve_mount_from(dockerfile, stage.index, name));
        }
        for (auto& reference : references) {
            if (!reference) {
                reference.error().where = instruction.where;
                return fail(std::move(reference).error());
            }
            sources.push_back(std::move(*reference));
        }
    }
    return sources;
}

} // namespace

std::vector<int> StageNode::read_stages() const {
    std::vector<int> stages;
    if (base.kind == StageReference::Kind::stage) stages.push_back(base.stage_index);
    for (const auto& source : sources)
        if (source.kind == StageReference::Kind::stage) stages.push_back(source.stage_index);
    return stages;
}

Result<StageReference> resolve_copy_from(const Dockerfile& dockerfile, int current_stage, std::string_view from) {
    if (from.find('$') != from.npos)
        return fail(ErrorKind::invalid_dockerfile, "variable expansion is not supported for --from, define a new stage with "
                                                   "FROM using ARG from global scope as a workaround");
    int number = 0;
    const auto [end, error] = std::from_chars(from.data(), from.data() + from.size(), number);
    if (error == std::errc() && end == from.data() + from.size()) {
        if (number < 0 || number >= static_cast<int>(dockerfile.stages.size()))
            return fail(ErrorKind::invalid_dockerfile, "invalid stage index " + std::string(from));
        return earlier_stage(number, current_stage, from, "copy");
    }
    const int stage = last_stage_named(dockerfile, ascii_lower(from));
    if (stage >= 0) return earlier_stage(stage, current_stage, from, "copy");
    if (from == "scratch") return StageReference{StageReference::Kind::scratch, -1, {}};
    return StageReference{StageReference::Kind::image, -1, std::string(from)};
}

Result<StageReference> resolve_mount_from(const Dockerfile& dockerfile, int current_stage, std::string_view from) {
    const int stage = last_stage_named(dockerfile, ascii_lower(from));
    if (stage >= 0) return earlier_stage(stage, current_stage, from, "mount");
    if (from == "scratch") return StageReference{StageReference::Kind::scratch, -1, {}};
    return StageReference{StageReference::Kind::image, -1, std::string(from)};
}

Result<std::vector<std::string>> mount_sources(const RunInstruction& run) {
    std::vector<std::string> sources;
    for (const auto& mount : run.mounts) {
        DBUILD_TRY_ASSIGN(auto from, mount_from(mount));
        if (!from.empty()) sources.push_back(std::move(from));
    }
    return sources;
}

Result<std::map<std::string, std::string>> global_arguments(const Dockerfile& dockerfile, std::string_view target,
                                                            const std::map<std::string, std::string>& build_args,
                                                            std::string_view platform) {
    const auto part = [&](std::size_t n) {
        auto rest = platform;
        for (; n > 0 && !rest.empty(); --n) {
            const auto slash = rest.find('/');
            rest = slash == rest.npos ? std::string_view() : rest.substr(slash + 1);
        }
        return std::string(rest.substr(0, rest.find('/')));
    };
    std::map<std::string, std::string> values;
    for (const std::string prefix : {"BUILD", "TARGET"}) {
        values[prefix + "PLATFORM"] = platform;
        values[prefix + "OS"] = part(0);
        values[prefix + "OSVERSION"] = "";
        values[prefix + "ARCH"] = part(1);
        values[prefix + "VARIANT"] = part(2);
    }
    values["TARGETSTAGE"] = target.empty() ? "default" : std::string(target);
    for (auto& [name, value] : values)
        if (const auto given = build_args.find(name); given != build_args.end()) value = given->second;
    for (const auto& instruction : dockerfile.global_args)
        for (const auto& item : std::get<ArgInstruction>(instruction.body).items) {
            if (const auto given = build_args.find(item.name); given != build_args.end()) {
                values[item.name] = given->second;
            } else if (item.value) {
                const auto lookup = [&](std::string_view name) -> std::optional<std::string> {
                    const auto found = values.find(std::string(name));
                    return found == values.end() ? std::nullopt : std::optional(found->second);
                };
                auto value = expand_word(*item.value, lookup, dockerfile.escape);
                if (!value) {
                    value.error().where = instruction.where;
                    return fail(std::move(value).error());
                }
                values[item.name] = std::move(*value);
            }
        }
    return values;
}

Result<StageGraph> build_stage_graph(const Dockerfile& dockerfile, std::string_view target,
                                     const std::map<std::string, std::string>& build_args, std::string_view platform) {
    DBUILD_TRY_ASSIGN(const auto globals, global_arguments(dockerfile, target, build_args, platform));
    const auto lookup = [&](std::string_view name) -> std::optional<std::string> {
        const auto found = globals.find(std::string(name));
        return found == globals.end() ? std::nullopt : std::optional(found->second);
    };
    StageGraph graph;
    for (const auto& stage : dockerfile.stages) {
        const auto at_stage = [&](Error error) {
            error.where = stage.where;
            return fail(std::move(error));
        };
        auto base = expand_word(stage.from.image, lookup, dockerfile.escape);
        if (!base) return at_stage(std::move(base).error());
        if (base->empty())
            return at_stage({ErrorKind::invalid_dockerfile, "base name (" + stage.from.image + ") should not be blank", {}, {}});
        auto stage_platform = expand_word(stage.from.platform, lookup, dockerfile.escape);
        if (!stage_platform) return at_stage(std::move(stage_platform).error());
        StageNode node{stage.index, stage.from.stage_name, *stage_platform, resolve_base(dockerfile, stage.index, *base), {}};
        DBUILD_TRY_ASSIGN(node.sources, read_sources(dockerfile, stage));
        graph.stages.push_back(std::move(node));
    }
    DBUILD_TRY_ASSIGN(graph.target, find_target(dockerfile, target));
    // References only go backwards, so file order puts dependencies first.
    std::vector<bool> is_needed(graph.stages.size(), false);
    is_needed[static_cast<std::size_t>(graph.target)] = true;
    for (int index = graph.target; index >= 0; --index)
        if (is_needed[static_cast<std::size_t>(index)])
            for (const int other : graph.stages[static_cast<std::size_t>(index)].read_stages())
                is_needed[static_cast<std::size_t>(other)] = true;
    for (int index = 0; index <= graph.target; ++index)
        if (is_needed[static_cast<std::size_t>(index)]) graph.needed.push_back(index);
    return graph;
}

} // namespace dbuild::dockerfile_parser
