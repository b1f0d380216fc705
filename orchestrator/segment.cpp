// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/segment.hpp"

#include "orchestrator/assemble.hpp"
#include "orchestrator/runtime_steps.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <random>
#include <set>

namespace dbuild::orchestrator {
namespace {

namespace parser = dockerfile_parser;

/// Source text of a COPY with the value of its --from flag replaced. Flags come first, so the first one is it.
std::string with_copy_source(std::string text, const std::string& name) {
    constexpr std::string_view flag = "--from=";
    const auto at = text.find(flag);
    if (at == text.npos) return text;
    const auto begin = at + flag.size();
    const auto end = std::min(text.find_first_of(" \t\n", begin), text.size());
    return text.replace(begin, end - begin, name);
}

/// Source text of a RUN with another name of what a mount comes from.
std::string with_mount_source(std::string text, const std::string& mount, const std::string& name) {
    const auto replaced = parser::with_mount_from(mount, name);
    for (auto at = text.find(mount); at != text.npos; at = text.find(mount, at + replaced.size()))
        text.replace(at, mount.size(), replaced);
    return text;
}

/// A RUN with another key in the engine: an optional secret that nobody has makes one there, and unlike --no-cache it
/// keeps the cache mounts (design §5, 8). In: mark — a fresh one has the engine run it.
std::string marked(std::string text, const std::string& mark) {
    constexpr std::size_t keyword_length = 3; // "RUN" in any case
    return text.insert(keyword_length, fmt::format(" --mount=type=secret,id=dbuild-{}", mark));
}

/// ENV, USER and SHELL change what a later RUN or COPY does; other metadata cannot, and WORKDIR / makes no layer but
/// counts.
bool matters_to_later_steps(const parser::Instruction& instruction) {
    return std::holds_alternative<parser::EnvInstruction>(instruction.body) ||
           std::holds_alternative<parser::UserInstruction>(instruction.body) ||
           std::holds_alternative<parser::ShellInstruction>(instruction.body) ||
           std::holds_alternative<parser::WorkdirInstruction>(instruction.body);
}

class SegmentMaker {
public:
    /// In: first — the first layer-making step.
    SegmentMaker(const Parts& parts, const Project& project, const Planner& planner, int stage, std::size_t first,
                 EngineCache cache, PreparedSegment& out)
        : parts_(parts), project_(project), planner_(planner), stage_(stage), first_(first), cache_(cache), out_(out) {}

    /// ARGs in force before the first step. (ENV, USER, WORKDIR and SHELL travel in the configuration of the root.)
    void declare_arguments(const StepState& state, std::size_t origin) {
        for (const auto& variable : state.variables())
            if (variable.is_argument) declare(variable.name, variable.value, origin);
    }

    /// False: this step needs a segment of its own.
    Result<bool> add(const PlannedStep& planned, std::size_t origin) {
        const auto& instruction = *planned.step->instruction;
        if (const auto* arg = std::get_if<parser::ArgInstruction>(&instruction.body)) return add_argument(*arg, origin);
        if (!planned.step->makes_layer()) {
            if (matters_to_later_steps(instruction)) push(instruction.source, false, origin);
            return true;
        }
        std::string mark;
        const auto* run = std::get_if<RunOperation>(&planned.step->operation);
        if (run) {
            DBUILD_TRY_ASSIGN(mark, mark_of(*planned.step, *run, origin));
            if (origin != first_ && must_begin_segment(*run, mark)) return false;
        }
        DBUILD_TRY_ASSIGN(auto text, text_of(*planned.step, mark));
        push(std::move(text), true, origin);
        if (run && parts_.usable_runtime() && !needs_buildx(*planned.step, project_.platform_of(stage_))) {
            auto command = run_command(
                project_, *planned.step, [&](const auto& from) { return name_of(from); }, out_.segment.proxy_arguments);
            if (!command) return fail(planned.step->blamed(command.error()));
            out_.segment.steps.back().command = std::move(*command);
        }
        return true;
    }

    void finish() {
        out_.segment.context_digest = context_reads_.empty() ? "" : sha256(context_reads_).hex();
        while (!out_.segment.steps.empty() &&
               !out_.segment.steps.back().makes_layer) { // metadata at the end does nothing
            out_.segment.steps.pop_back();
            out_.origins.pop_back();
        }
    }

private:
    void push(std::string text, bool makes_layer, std::size_t origin) {
        out_.segment.steps.push_back({std::move(text), makes_layer});
        out_.origins.push_back(origin);
    }

    bool declare(const std::string& name, const std::string& value, std::size_t origin) {
        auto& arguments = out_.segment.arguments;
        const auto known =
            std::find_if(arguments.begin(), arguments.end(), [&](const auto& a) { return a.first == name; });
        if (known != arguments.end() && known->second != value) return false;
        if (known == arguments.end()) arguments.emplace_back(name, value);
        push("ARG " + name, false, origin);
        return true;
    }

    /// The state after an ARG is the state before the next step, which holds the value that was worked out.
    Result<bool> add_argument(const parser::ArgInstruction& arg, std::size_t origin) {
        const auto& plan = planner_.planned(stage_);
        const auto& final = plan.stage->final.variables;
        const auto after = origin + 1 < plan.steps.size() ? plan.steps[origin + 1].step->before.variables()
                                                          : final.variables_at(final.size());
        for (const auto& item : arg.items) {
            const auto variable = std::find_if(after.begin(), after.end(),
                                               [&](const auto& v) { return v.name == item.name && v.is_argument; });
            if (variable != after.end() && !declare(variable->name, variable->value, origin)) return false;
        }
        return true;
    }

    /// The instruction as the executor gets it: as written, but for the names of what it reads from.
    Result<std::string> text_of(const ResolvedStep& step, const std::string& mark) {
        std::string text = step.instruction->source;
        if (const auto* copy = std::get_if<CopyOperation>(&step.operation)) {
            if (copy->from) {
                DBUILD_TRY_ASSIGN(const auto name, add_source(*copy->from));
                return with_copy_source(std::move(text), name);
            }
            for (const auto& source : copy->sources) DBUILD_TRY(use_context(source, step));
        }
        if (const auto* run = std::get_if<RunOperation>(&step.operation)) {
            for (const auto& mount : run->mounts) {
                if (mount.from) {
                    DBUILD_TRY_ASSIGN(const auto name, add_source(*mount.from));
                    text = with_mount_source(std::move(text), mount.written, name);
                } else if (mount.mount.type == parser::MountType::bind) {
                    DBUILD_TRY(use_context(mount.mount.source, step));
                }
                if (mount.mount.type == parser::MountType::secret) out_.segment.secrets = project_.options.secrets;
                if (mount.mount.type == parser::MountType::ssh) out_.segment.ssh_agents = project_.options.ssh_agents;
            }
        }
        return mark.empty() ? text : marked(std::move(text), mark);
    }

    /// What the engine must not answer from its own cache: it knows neither forced runs, nor times to live, nor salts;
    /// nor who wrote to a cache mount before this segment, where that step's layer is the same as before. "": nothing.
    Result<std::string> mark_of(const ResolvedStep& step, const RunOperation& run, std::size_t origin) const {
        if (out_.segment.ignores_engine_cache) return std::string();
        const bool must_run = cache_ == EngineCache::ignored || planner_.planned(stage_).is_forced(origin);
        if (must_run || project_.time_to_live(step)) return nonce_;
        DBUILD_TRY_ASSIGN(auto salts, planner_.cache_writers(stage_, origin, first_));
        for (const auto& mount : run.mounts)
            if (const auto salt = project_.options.secret_salts.find(mount.secret_id);
                salt != project_.options.secret_salts.end())
                salts += salt->first + '\0' + salt->second + '\0';
        return salts.empty() ? std::string() : sha256(salts).hex();
    }

    /// BuildKit finds results of a RUN with a secret or an agent, and a mark is one, by the content of the root file
    /// system: they may stand on other layers than those before it, which shows only of layers that a segment begins
    /// on.
    bool must_begin_segment(const RunOperation& run, const std::string& mark) const {
        if (out_.segment.ignores_engine_cache || mark == nonce_) return false;
        return !mark.empty() || std::any_of(run.mounts.begin(), run.mounts.end(), [](const auto& mount) {
            return mount.mount.type == parser::MountType::secret || mount.mount.type == parser::MountType::ssh;
        });
    }

    Status use_context(const std::string& source, const ResolvedStep& step) {
        out_.segment.context = project_.options.context;
        out_.segment.ignore_patterns = project_.ignore_source;
        const auto digest = project_.context->source_digest(source);
        if (!digest) return fail(step.blamed(digest.error()));
        context_reads_ += source + '\0' + digest->hex();
        return {};
    }

    /// Of a source that was added, or of the next one.
    std::string name_of(const parser::StageReference& from) const {
        const auto known = std::find(out_.sources.begin(), out_.sources.end(), from);
        return fmt::format("dbuild-source-{}", known - out_.sources.begin());
    }

    Result<std::string> add_source(const parser::StageReference& from) {
        auto name = name_of(from);
        if (std::find(out_.sources.begin(), out_.sources.end(), from) != out_.sources.end()) return name;
        executors::SegmentSource source{name, {}};
        DBUILD_TRY_ASSIGN(source.root.layers, root_layers(parts_, project_, planner_, from));
        const bool is_stage = from.kind == parser::StageReference::Kind::stage;
        source.root.config =
            is_stage ? project_.stages.at(from.stage_index).final.config : project_.bases.at(from.image).config;
        out_.segment.sources.push_back(std::move(source));
        out_.sources.push_back(from);
        return name;
    }

    const Parts& parts_;
    const Project& project_;
    const Planner& planner_;
    int stage_;
    std::size_t first_;
    EngineCache cache_;
    PreparedSegment& out_;
    std::string nonce_ = fmt::format("{:08x}{:08x}", std::random_device()(), std::random_device()()); // of forced RUNs
    std::string context_reads_;
};

std::set<std::string> cache_ids(const ResolvedStage& stage) {
    std::set<std::string> ids;
    for (const auto& step : stage.steps)
        if (const auto* run = std::get_if<RunOperation>(&step.operation))
            for (const auto& mount : run->mounts)
                if (!mount.cache_id.empty()) ids.insert(mount.cache_id);
    return ids;
}

/// --no-cache empties the cache mounts of its build. The first stage that mounts one does so; a later one must find
/// what that stage left there.
bool shares_caches(const Project& project, int stage) {
    const auto own = cache_ids(project.stages.at(stage));
    return std::any_of(project.stages.begin(), project.stages.find(stage), [&](const auto& earlier) {
        const auto others = cache_ids(earlier.second);
        return std::any_of(others.begin(), others.end(), [&](const auto& id) { return own.contains(id); });
    });
}

/// Proxy settings reach RUN without being declared, and are in no key.
void add_proxy_arguments(const Project& project, executors::Segment& segment) {
    static constexpr std::array<std::string_view, 10> names = {"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy",
                                                               "FTP_PROXY",  "ftp_proxy",  "NO_PROXY",    "no_proxy",
                                                               "ALL_PROXY",  "all_proxy"};
    for (const auto& [name, value] : project.options.build_arguments)
        if (std::find(names.begin(), names.end(), name) != names.end())
            segment.proxy_arguments.emplace_back(name, value);
}

} // namespace

Result<PreparedSegment> make_segment(const Parts& parts, const Project& project, const Planner& planner, int stage,
                                     std::size_t first, std::size_t limit, EngineCache cache) {
    PreparedSegment prepared;
    const auto& plan = planner.planned(stage);
    // Metadata before the first layer is in force there already, by the state of that step.
    while (first < limit && !plan.steps[first].step->makes_layer()) ++first;
    prepared.end = first;
    if (first == limit) return prepared;
    auto& segment = prepared.segment;
    DBUILD_TRY_ASSIGN(segment.root.layers,
                      root_layers(parts, project, planner, parser::StageReference::to_stage(stage)));
    std::size_t below = plan.base_layers.size();
    for (std::size_t i = 0; i < first; ++i) below += plan.steps[i].record ? 1 : 0;
    segment.root.layers.resize(below);
    segment.root.config = plan.steps[first].step->before.config_for(plan.stage->final.config);
    segment.escape = project.dockerfile->escape;
    segment.ignores_engine_cache = project.options.ignores_cache && !shares_caches(project, stage);
    add_proxy_arguments(project, segment);
    SegmentMaker maker(parts, project, planner, stage, first, cache, prepared);
    maker.declare_arguments(plan.steps[first].step->before, first);
    for (; prepared.end < limit; ++prepared.end) {
        DBUILD_TRY_ASSIGN(const bool fits, maker.add(plan.steps[prepared.end], prepared.end));
        if (!fits) break;
    }
    maker.finish();
    return prepared;
}

} // namespace dbuild::orchestrator
