// SPDX-License-Identifier: Apache-2.0
#include "dockerfile_parser/stage_graph.hpp"

#include "dockerfile_parser/expansion.hpp"
#include "dockerfile_parser/flags.hpp"
#include "dockerfile_parser/platform.hpp"
#include "dockerfile_parser/run_mount.hpp"
#include "dockerfile_parser/unicode.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace dbuild::dockerfile_parser {
namespace {

/// The stages by their lower-case names.
class StageNames {
public:
    explicit StageNames(const Dockerfile& dockerfile) : count_(static_cast<int>(dockerfile.stages.size())) {
        for (const auto& stage : dockerfile.stages)
            if (!stage.from.stage_name.empty()) stages_[stage.from.stage_name].push_back(stage.index);
    }
    int count() const { return count_; }
    /// -1 if there is none.
    int last(std::string_view name) const { return last_before(name, count_); }
    int last_before(std::string_view name, int index) const {
        const auto found = stages_.find(name);
        if (found == stages_.end()) return -1;
        const auto after = std::lower_bound(found->second.begin(), found->second.end(), index);
        return after == found->second.begin() ? -1 : *(after - 1);
    }

private:
    std::map<std::string, std::vector<int>, std::less<>> stages_; // ascending
    int count_;
};

/// The context of this name, for the platform or for all; nothing if none was given. In: name — of a stage or an image.
std::optional<std::string> find_context(const StageGraphRequest& request, std::string_view name) {
    if (name == "scratch" || name == "context") return std::nullopt; // cannot be replaced
    for (const std::string_view prefix : {"docker.io/", "library/"})
        if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
    if (name.ends_with(":latest")) name.remove_suffix(std::string_view(":latest").size());
    for (const std::string& wanted : {std::string(name) + "::" + std::string(request.platform), std::string(name)})
        if (request.contexts.contains(wanted)) return wanted;
    return std::nullopt;
}

std::string name_of(const Stage& stage) {
    return stage.from.stage_name.empty() ? "stage-" + std::to_string(stage.index) : stage.from.stage_name;
}

StageReference outside(const StageGraphRequest& request, std::string_view from) {
    if (from == "scratch") return {StageReference::Kind::scratch, -1, {}};
    if (auto context = find_context(request, from)) return {StageReference::Kind::context, -1, std::move(*context)};
    return {StageReference::Kind::image, -1, std::string(from)};
}

/// FROM: `scratch`, else exactly a stage before this one (the nearest), else a context or an image.
StageReference resolve_base(const StageNames& names, const StageGraphRequest& request, int current,
                            const std::string& base) {
    const int stage =
        base == "scratch" ? -1 : names.last_before(base, current); // empty even when a stage has that name
    return stage >= 0 ? StageReference::to_stage(stage) : outside(request, base);
}

/// The platform that a FROM asks for, "" without. Errors: invalid_dockerfile without `where`.
Result<std::string> platform_of(const FromInstruction& from, const StageGraphRequest& request,
                                const VariableLookup& globals, char escape) {
    if (from.platform.empty()) return std::string();
    DBUILD_TRY_ASSIGN(const auto text, expand_word(from.platform, globals, escape));
    if (text.empty())
        return fail(ErrorKind::invalid_dockerfile, "empty platform value from expression " + from.platform);
    auto platform =
        normalized_platform(text, request.build_platform.empty() ? request.platform : request.build_platform);
    if (!platform) platform.error().message = "failed to parse platform " + text + ": " + platform.error().message;
    return platform;
}

enum class Reader { copy, mount };

/// A stage's number as Go's strconv.Atoi reads it.
std::optional<int> stage_number(std::string_view text) {
    if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
    int number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

/// In:      others — what earlier --from of the file meant that is no stage of it: BuildKit gives each of them the next
///          number after the stages, each time that it is read from.
/// Errors:  invalid_dockerfile without `where`. A stage may be any of the file, not only one before.
Result<StageReference> find_source(const StageNames& names, const StageGraphRequest& request, Reader reader,
                                   std::string_view from, const std::vector<StageReference>& others) {
    if (reader == Reader::copy) {
        if (from.find('$') != from.npos)
            return fail(ErrorKind::invalid_dockerfile,
                        "variable expansion is not supported for --from, define a new stage with "
                        "FROM using ARG from global scope as a workaround");
        if (const auto number = stage_number(from)) {
            if (*number >= 0 && *number < names.count()) return StageReference::to_stage(*number);
            const auto other = static_cast<std::size_t>(*number - std::min(*number, names.count()));
            if (*number >= 0 && other < others.size()) return others[other];
            return fail(ErrorKind::invalid_dockerfile, "invalid stage index " + std::to_string(*number));
        }
    }
    const int stage = names.last(ascii_lower(from));
    return stage >= 0 ? StageReference::to_stage(stage) : outside(request, from);
}

/// One place where a stage reads from something.
struct Reading {
    StageReference reference;
    Reader reader;
    std::string written;
    SourceSpan where;
};

/// What the instructions of a stage read from, in order. In, out: others — as find_source takes them; grows.
Result<std::vector<Reading>> find_readings(const StageNames& names, const StageGraphRequest& request,
                                           const Stage& stage, std::vector<StageReference>& others) {
    std::vector<Reading> readings;
    for (const auto& instruction : stage.instructions) {
        const auto at_instruction = [&](Error error) {
            error.where = instruction.where;
            return fail(std::move(error));
        };
        std::vector<std::string> written;
        Reader reader = Reader::copy;
        if (const auto* copy = std::get_if<CopyInstruction>(&instruction.body); copy && !copy->from.empty())
            written.push_back(copy->from);
        if (const auto* run = std::get_if<RunInstruction>(&instruction.body)) {
            reader = Reader::mount;
            auto sources = mount_sources(*run);
            if (!sources) return at_instruction(std::move(sources).error());
            written = std::move(*sources);
        }
        for (auto& from : written) {
            auto reference = find_source(names, request, reader, from, others);
            if (!reference) return at_instruction(std::move(reference).error());
            if (reference->kind != StageReference::Kind::stage) others.push_back(*reference);
            readings.push_back({std::move(*reference), reader, std::move(from), instruction.where});
        }
    }
    return readings;
}

/// Nothing if the stage is before the current one, or if it is none.
Status check_order(const Dockerfile& dockerfile, int current, const Reading& reading) {
    const bool is_later =
        reading.reference.kind == StageReference::Kind::stage && reading.reference.stage_index >= current;
    if (!is_later) return {};
    const std::string name = name_of(dockerfile.stages[static_cast<std::size_t>(current)]);
    if (reading.reference.stage_index == current)
        return fail(ErrorKind::invalid_dockerfile, "circular dependency detected on stage: " + name);
    if (reading.reader == Reader::copy)
        return fail(ErrorKind::invalid_dockerfile, "cannot copy from stage \"" + reading.written +
                                                       "\", it needs to be defined before current stage \"" + name +
                                                       "\"");
    return fail(ErrorKind::invalid_dockerfile, "cannot mount from stage \"" + reading.written +
                                                   "\", stage needs to be defined before current command");
}

/// The first stage, in file order, from which a circle of references can be reached; -1 if there is none.
int find_circle(const std::vector<StageNode>& stages) {
    enum class State { unseen, on_path, done };
    std::vector<State> states(stages.size(), State::unseen);
    struct Visit {
        int stage;
        std::vector<int> others;
        std::size_t next = 0;
    };
    for (const auto& start : stages) { // a stack of its own: a file may have 100,000 stages
        if (states[static_cast<std::size_t>(start.index)] != State::unseen) continue;
        std::vector<Visit> path;
        const auto enter = [&](int stage) {
            states[static_cast<std::size_t>(stage)] = State::on_path;
            path.push_back({stage, stages[static_cast<std::size_t>(stage)].read_stages()});
        };
        enter(start.index);
        while (!path.empty()) {
            Visit& visit = path.back();
            if (visit.next == visit.others.size()) {
                states[static_cast<std::size_t>(visit.stage)] = State::done;
                path.pop_back();
                continue;
            }
            const int other = visit.others[visit.next++];
            const State state = states[static_cast<std::size_t>(other)];
            if (state == State::on_path) return start.index;
            if (state == State::unseen) enter(other);
        }
    }
    return -1;
}

Result<int> find_target(const Dockerfile& dockerfile, const StageNames& names, std::string_view target) {
    if (target.empty()) return names.count() - 1;
    const int index = names.last(ascii_lower(target));
    if (index >= 0) return index;
    std::vector<std::string> known;
    for (const auto& stage : dockerfile.stages)
        if (!stage.from.stage_name.empty()) known.push_back(stage.from.stage_name);
    return fail(ErrorKind::invalid_dockerfile, "target stage \"" + std::string(target) + "\" could not be found" +
                                                   suggestion(target, known, CaseRule::insensitive));
}

} // namespace

std::vector<int> StageNode::read_stages() const {
    std::vector<int> stages;
    if (base.kind == StageReference::Kind::stage) stages.push_back(base.stage_index);
    for (const auto& source : sources)
        if (source.kind == StageReference::Kind::stage) stages.push_back(source.stage_index);
    return stages;
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
                                                            std::string_view platform,
                                                            std::string_view build_platform) {
    const auto part = [](std::string_view rest, std::size_t n) {
        for (; n > 0 && !rest.empty(); --n) {
            const auto slash = rest.find('/');
            rest = slash == rest.npos ? std::string_view() : rest.substr(slash + 1);
        }
        return std::string(rest.substr(0, rest.find('/')));
    };
    std::map<std::string, std::string> values;
    const auto add_platform = [&](const std::string& prefix, std::string_view value) {
        values[prefix + "PLATFORM"] = value;
        values[prefix + "OS"] = part(value, 0);
        values[prefix + "OSVERSION"] = "";
        values[prefix + "ARCH"] = part(value, 1);
        values[prefix + "VARIANT"] = part(value, 2);
    };
    add_platform("BUILD", build_platform.empty() ? platform : build_platform);
    add_platform("TARGET", platform);
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
    return build_stage_graph(dockerfile, {target, build_args, platform, {}, {}, false});
}

Result<StageGraph> build_stage_graph(const Dockerfile& dockerfile, const StageGraphRequest& request) {
    DBUILD_TRY_ASSIGN(const auto globals, global_arguments(dockerfile, request.target, request.build_args,
                                                           request.platform, request.build_platform));
    const auto lookup = [&](std::string_view name) -> std::optional<std::string> {
        const auto found = globals.find(std::string(name));
        return found == globals.end() ? std::nullopt : std::optional(found->second);
    };
    const StageNames names(dockerfile);
    StageGraph graph;
    std::vector<std::vector<Reading>> readings; // by stage
    std::vector<StageReference> others;         // that have numbers after the stages'
    for (const auto& stage : dockerfile.stages) {
        const auto at_stage = [&](Error error) {
            error.where = stage.where;
            return fail(std::move(error));
        };
        auto base = expand_word(stage.from.image, lookup, dockerfile.escape);
        if (!base) return at_stage(std::move(base).error());
        if (base->empty())
            return at_stage(
                {ErrorKind::invalid_dockerfile, "base name (" + stage.from.image + ") should not be blank", {}, {}});
        auto stage_platform = platform_of(stage.from, request, lookup, dockerfile.escape);
        if (!stage_platform) return at_stage(std::move(stage_platform).error());
        StageNode node{
            stage.index, stage.from.stage_name, *stage_platform, resolve_base(names, request, stage.index, *base), {}};
        DBUILD_TRY_ASSIGN(readings.emplace_back(), find_readings(names, request, stage, others));
        if (auto context = find_context(request, node.name); context && !node.name.empty()) {
            node.base = {StageReference::Kind::context, -1, std::move(*context)};
            readings.back().clear();
        }
        for (const auto& reading : readings.back()) node.sources.push_back(reading.reference);
        graph.stages.push_back(std::move(node));
    }
    if (const int stage = find_circle(graph.stages); stage >= 0) {
        const auto& first = dockerfile.stages[static_cast<std::size_t>(stage)];
        const auto& places = readings[static_cast<std::size_t>(stage)];
        const auto place = std::find_if(places.begin(), places.end(), [&](const Reading& reading) {
            return reading.reference.kind == StageReference::Kind::stage && reading.reference.stage_index >= stage;
        });
        return fail(ErrorKind::invalid_dockerfile, "circular dependency detected on stage: " + name_of(first),
                    place == places.end() ? first.where : place->where);
    }
    DBUILD_TRY_ASSIGN(graph.target, find_target(dockerfile, names, request.target));
    // Where the order is right, references go only backwards, so that file order puts dependencies first.
    std::vector<bool> is_needed(graph.stages.size(), false);
    is_needed[static_cast<std::size_t>(graph.target)] = true;
    for (int index = names.count() - 1; index >= 0; --index) {
        const auto place = static_cast<std::size_t>(index);
        if (is_needed[place] || request.judges_all_stages)
            for (const auto& reading : readings[place])
                if (auto order = check_order(dockerfile, index, reading); !order) {
                    order.error().where = reading.where;
                    return fail(std::move(order).error());
                }
        if (!is_needed[place]) continue;
        for (const int other : graph.stages[place].read_stages()) is_needed[static_cast<std::size_t>(other)] = true;
    }
    for (int index = 0; index <= graph.target; ++index)
        if (is_needed[static_cast<std::size_t>(index)]) graph.needed.push_back(index);
    return graph;
}

} // namespace dbuild::dockerfile_parser
