// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/stage_state.hpp"

#include "cache/oci/reference.hpp"
#include "dockerfile_parser/values.hpp"
#include "orchestrator/history_text.hpp"
#include "orchestrator/step_operation.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

namespace dbuild::orchestrator {
namespace {

namespace parser = dockerfile_parser;
using cache::oci::Healthcheck;
using cache::oci::HistoryEntry;

constexpr std::string_view k_default_path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Evaluates one stage; each visit of an instruction changes the state and describes the step.
class Evaluator {
public:
    Evaluator(const StageInputs& inputs, const parser::StageNode& node, BuildState state)
        : inputs_(inputs), node_(node), state_(std::move(state)),
          log_(std::make_shared<VariableLog>(std::move(state_.variables))),
          declared_(state_.declared_arguments.begin(), state_.declared_arguments.end()) {
        const auto& entries = state_.config.env;
        for (std::size_t i = 0; i < entries.size(); ++i)
            env_places_.emplace(entries[i].substr(0, entries[i].find('=')), i);
    }

    Result<ResolvedStep> evaluate(const parser::Instruction& instruction, int position) {
        ResolvedStep step;
        step.instruction = &instruction;
        step.position = position;
        step.before = {log_, log_->size(), state_.config.user, state_.working_dir(), state_.config.shell};
        Status done = std::visit([&](const auto& body) { return apply(body, step); }, instruction.body);
        if (!done) {
            Error error = std::move(done).error();
            if (!error.where) error.where = instruction.where;
            return fail(std::move(error));
        }
        return step;
    }

    BuildState take_state() {
        for (auto* list : {&state_.config.exposed_ports, &state_.config.volumes}) {
            std::sort(list->begin(), list->end());
            list->erase(std::unique(list->begin(), list->end()), list->end());
        }
        state_.variables = *log_;
        return std::move(state_);
    }

private:
    Result<std::string> expand(std::string_view word) const {
        return parser::expand_word(word, lookup(), inputs_.dockerfile->escape);
    }
    parser::VariableLookup lookup() const {
        return [this](std::string_view name) -> std::optional<std::string> {
            const auto* value = log_->find(name);
            return value ? std::optional(*value) : std::nullopt;
        };
    }
    OperationInputs inputs() {
        return {lookup(), inputs_.dockerfile->escape, state_.working_dir(), state_.config.shell,
                [this] { return next_source(); }};
    }

    static void note(ResolvedStep& step, std::string created_by, bool has_layer = false) {
        step.history.push_back({{}, std::move(created_by), "buildkit.dockerfile.v0", {}, !has_layer});
    }

    Status apply(const parser::ArgInstruction& arg, ResolvedStep& step) {
        std::string history = "ARG";
        for (const auto& item : arg.items) {
            std::optional<std::string> value;
            if (const auto given = inputs_.build_arguments->find(item.name); given != inputs_.build_arguments->end()) {
                value = given->second;
            } else if (item.value) {
                DBUILD_TRY_ASSIGN(value, expand(*item.value));
            } else if (const auto global = inputs_.global_arguments->find(item.name);
                       global != inputs_.global_arguments->end()) {
                value = global->second;
            }
            history += " " + item.name + (value ? "=" + *value : "");
            if (declared_.insert(item.name).second) state_.declared_arguments.push_back(item.name);
            // These two direct the builder; commands never see them.
            const bool is_builder_setting =
                item.name == "BUILDKIT_SBOM_SCAN_CONTEXT" || item.name == "BUILDKIT_SBOM_SCAN_STAGE";
            if (value && !is_builder_setting) log_->assign(item.name, *value, true);
        }
        note(step, std::move(history));
        return {};
    }

    Status apply(const parser::EnvInstruction& env, ResolvedStep& step) {
        std::string history = "ENV";
        std::vector<parser::KeyValue> expanded; // all of one instruction see the state before it
        for (const auto& pair : env.pairs) {
            DBUILD_TRY_ASSIGN(auto key, expand(pair.key));
            DBUILD_TRY_ASSIGN(auto value, expand(pair.value));
            expanded.push_back({std::move(key), std::move(value)});
        }
        for (const auto& [key, value] : expanded) {
            history += " " + key + "=" + value;
            log_->assign(key, value, false);
            auto& list = state_.config.env;
            const auto [place, is_new] = env_places_.emplace(key, list.size());
            if (is_new) list.emplace_back();
            list[place->second] = key + "=" + value;
        }
        note(step, std::move(history));
        return {};
    }

    Status apply(const parser::LabelInstruction& label, ResolvedStep& step) {
        std::string history = "LABEL";
        for (const auto& pair : label.pairs) {
            DBUILD_TRY_ASSIGN(const auto key, expand(pair.key));
            DBUILD_TRY_ASSIGN(const auto value, expand(pair.value));
            state_.config.labels[key] = value;
            history += " " + key + "=" + value;
        }
        note(step, std::move(history));
        return {};
    }

    Status apply(const parser::RunInstruction& run, ResolvedStep& step) {
        DBUILD_TRY_ASSIGN(auto operation, resolve_run(run, step.instruction->source, inputs()));
        note(step, fmt::format("RUN {}{} # buildkit", argument_prefix(), fmt::join(operation.arguments, " ")), true);
        step.operation = std::move(operation);
        return {};
    }

    Status apply(const parser::CopyInstruction& copy, ResolvedStep& step) {
        DBUILD_TRY_ASSIGN(auto operation, resolve_copy(copy, inputs()));
        DBUILD_TRY_ASSIGN(const auto destination, expand(copy.destination)); // as written, not made absolute
        note(step, history_of(operation, copy.parents, destination), true);
        step.operation = std::move(operation);
        return {};
    }

    /// What the next --from means: the graph has them in this order. An image gets its familiar name, under which the
    /// project keeps it.
    Result<parser::StageReference> next_source() {
        if (source_ == node_.sources.size()) return fail(ErrorKind::internal, "the stage graph lacks a source");
        auto from = node_.sources[source_++];
        if (from.kind == parser::StageReference::Kind::scratch)
            return fail(ErrorKind::unsupported, "a source that is scratch");
        if (from.kind == parser::StageReference::Kind::image) {
            const auto reference = cache::oci::ImageReference::parse(from.image);
            if (!reference) return fail(ErrorKind::invalid_dockerfile, reference.error().message);
            from.image = reference->familiar();
        }
        return from;
    }

    /// "|2 A=1 B=2 ": the declared arguments with their values now, each name once.
    std::string argument_prefix() const {
        const auto& names = state_.declared_arguments;
        if (names.empty()) return {};
        std::string text = fmt::format("|{} ", names.size());
        for (const auto& name : names) {
            const auto* value = log_->find(name);
            text += name + "=" + (value ? *value : "") + " ";
        }
        return text;
    }

    Status apply(const parser::WorkdirInstruction& workdir, ResolvedStep& step) {
        DBUILD_TRY_ASSIGN(const auto path, expand(workdir.path));
        state_.config.working_dir = join_path(state_.working_dir(), path);
        const bool has_layer = state_.config.working_dir != "/";
        if (has_layer) step.operation = WorkdirOperation{state_.config.working_dir};
        note(step, "WORKDIR " + state_.config.working_dir, has_layer);
        return {};
    }

    Status apply(const parser::UserInstruction& user, ResolvedStep& step) {
        DBUILD_TRY_ASSIGN(state_.config.user, expand(user.user));
        note(step, "USER " + state_.config.user);
        return {};
    }

    Status apply(const parser::CmdInstruction& cmd, ResolvedStep& step) {
        state_.config.cmd = command_words(cmd.command, state_.config.shell);
        state_.config.args_escaped = true; // as BuildKit does, also on Linux
        state_.has_own_cmd = true;
        note(step, "CMD " + go_quoted(*state_.config.cmd));
        return {};
    }

    Status apply(const parser::EntrypointInstruction& entrypoint, ResolvedStep& step) {
        state_.config.entrypoint = command_words(entrypoint.command, state_.config.shell);
        if (!state_.has_own_cmd) state_.config.cmd.reset();
        note(step, "ENTRYPOINT " + go_quoted(*state_.config.entrypoint));
        return {};
    }

    Status apply(const parser::ShellInstruction& shell, ResolvedStep& step) {
        state_.config.shell = shell.words;
        note(step, fmt::format("SHELL [{}]", fmt::join(shell.words, " ")));
        return {};
    }

    Status apply(const parser::ExposeInstruction& expose, ResolvedStep& step) {
        std::vector<std::string> ports;
        for (const auto& word : expose.ports) {
            DBUILD_TRY_ASSIGN(const auto expanded, parser::expand_words(word, lookup(), inputs_.dockerfile->escape));
            for (const auto& port : expanded) {
                DBUILD_TRY_ASSIGN(const auto parsed, parser::parse_ports(port));
                ports.insert(ports.end(), parsed.begin(), parsed.end());
            }
        }
        // In the order of the instruction's words, which are sorted before they are expanded.
        note(step, fmt::format("EXPOSE [{}]", fmt::join(ports, " ")));
        auto& all = state_.config.exposed_ports;
        all.insert(all.end(), ports.begin(), ports.end());
        return {};
    }

    Status apply(const parser::VolumeInstruction& volume, ResolvedStep& step) {
        std::vector<std::string> paths;
        for (const auto& word : volume.paths) {
            DBUILD_TRY_ASSIGN(auto path, expand(word));
            if (path.empty()) return fail(ErrorKind::invalid_dockerfile, "VOLUME specified can not be an empty string");
            paths.push_back(std::move(path));
        }
        state_.config.volumes.insert(state_.config.volumes.end(), paths.begin(), paths.end());
        note(step, fmt::format("VOLUME [{}]", fmt::join(paths, " ")));
        return {};
    }

    Status apply(const parser::StopsignalInstruction& stop, ResolvedStep& step) {
        DBUILD_TRY_ASSIGN(state_.config.stop_signal, expand(stop.signal));
        DBUILD_TRY(parser::check_signal(state_.config.stop_signal));
        note(step, "STOPSIGNAL " + state_.config.stop_signal);
        return {};
    }

    Status apply(const parser::HealthcheckInstruction& check, ResolvedStep& step) {
        Healthcheck result;
        if (check.is_none) {
            result.test = {"NONE"};
        } else {
            result.test.push_back(check.command.is_exec_form ? "CMD" : "CMD-SHELL");
            result.test.insert(result.test.end(), check.command.words.begin(), check.command.words.end());
            const auto zero = std::chrono::nanoseconds(0);
            result.interval = check.interval.value_or(zero);
            result.timeout = check.timeout.value_or(zero);
            result.start_period = check.start_period.value_or(zero);
            result.start_interval = check.start_interval.value_or(zero);
            result.retries = check.retries;
        }
        state_.config.healthcheck = result;
        note(step, history_of(result));
        return {};
    }

    Status apply(const parser::OnbuildInstruction& trigger, ResolvedStep&) {
        state_.config.on_build.push_back(trigger.text); // BuildKit writes no history for it
        return {};
    }

    Status apply(const parser::MaintainerInstruction& maintainer, ResolvedStep& step) {
        state_.config.author = maintainer.name;
        note(step, "MAINTAINER " + maintainer.name);
        return {};
    }

    const StageInputs& inputs_;
    const parser::StageNode& node_;
    BuildState state_;                 // without the variables
    std::shared_ptr<VariableLog> log_; // shared with the steps, which see its beginning only
    std::unordered_set<std::string> declared_;
    std::unordered_map<std::string, std::size_t> env_places_; // in the configuration
    std::size_t source_ = 0;                                  // of the node's sources: the next one
};

void assign_config_environment(BuildState& state) {
    for (const auto& entry : state.config.env) {
        const auto equals = entry.find('=');
        state.variables.assign(entry.substr(0, equals), equals == entry.npos ? "" : entry.substr(equals + 1), false);
    }
}

} // namespace

BuildState state_from_image(cache::oci::ImageConfig config) {
    BuildState state;
    state.config = std::move(config);
    state.config.diff_ids.clear();
    state.config.history.clear();
    state.config.on_build.clear(); // the stage's instructions begin with them (dockerfile_parser/triggers.hpp)
    const bool has_path = std::any_of(state.config.env.begin(), state.config.env.end(),
                                      [](const auto& entry) { return entry.starts_with("PATH="); });
    if (!has_path) state.config.env.emplace_back(k_default_path);
    assign_config_environment(state);
    return state;
}

BuildState state_from_scratch(std::string_view os, std::string_view architecture, std::string_view variant) {
    cache::oci::ImageConfig config;
    config.os = os;
    config.architecture = architecture;
    config.variant = variant;
    config.working_dir = "/";
    return state_from_image(std::move(config));
}

BuildState state_from_stage(const BuildState& parent) {
    BuildState state{parent.config, {}, parent.declared_arguments, false};
    state.config.on_build.clear();
    for (auto& variable : parent.variables.variables_at(parent.variables.size()))
        if (variable.is_argument) state.variables.assign(std::move(variable.name), std::move(variable.value), true);
    assign_config_environment(state); // BuildKit assigns the parent image's environment again, over the parent's ARGs
    return state;
}

Result<ResolvedStage> resolve_stage(const StageInputs& inputs, const parser::StageNode& node, BuildState initial) {
    const auto& stage = inputs.dockerfile->stages[static_cast<std::size_t>(node.index)];
    ResolvedStage result;
    result.index = node.index;
    result.base = node.base;
    Evaluator evaluator(inputs, node, std::move(initial));
    int position = 0;
    for (const auto& instruction : stage.instructions) {
        DBUILD_TRY_ASSIGN(auto step, evaluator.evaluate(instruction, ++position));
        result.steps.push_back(std::move(step));
    }
    result.final = evaluator.take_state();
    return result;
}

} // namespace dbuild::orchestrator
