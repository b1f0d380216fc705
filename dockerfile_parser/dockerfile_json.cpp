// SPDX-License-Identifier: Apache-2.0
#include "dockerfile_parser/dockerfile_json.hpp"

#include "dockerfile_parser/triggers.hpp"

#include <boost/json.hpp>

namespace dbuild::dockerfile_parser {
namespace {

namespace json = boost::json;

json::array array_of(const std::vector<std::string>& texts) { return json::array(texts.begin(), texts.end()); }

void add(json::object& out, std::string_view name, const std::string& value) {
    if (!value.empty()) out[name] = value;
}
void add(json::object& out, std::string_view name, const std::vector<std::string>& values) {
    if (!values.empty()) out[name] = array_of(values);
}
void add(json::object& out, std::string_view name, bool value) {
    if (value) out[name] = true;
}
void add(json::object& out, std::string_view name, const std::optional<std::chrono::nanoseconds>& value) {
    if (value) out[name] = value->count();
}
void add(json::object& out, std::string_view name, const std::vector<KeyValue>& pairs) {
    json::array array;
    for (const auto& pair : pairs) array.push_back({{"key", pair.key}, {"value", pair.value}});
    out[name] = std::move(array);
}
void add(json::object& out, const CommandLine& command) {
    out["form"] = command.is_exec_form ? "exec" : "shell";
    out["words"] = array_of(command.words);
}
void add(json::object& out, const std::vector<Heredoc>& heredocs) {
    if (heredocs.empty()) return;
    json::array array;
    for (const auto& heredoc : heredocs)
        array.push_back({{"name", heredoc.name},
                         {"body", heredoc.body},
                         {"expands", heredoc.expands},
                         {"strips_tabs", heredoc.strips_tabs}});
    out["heredocs"] = std::move(array);
}

struct Fields {
    json::object& out;

    void operator()(const ArgInstruction& arg) const {
        json::array items;
        for (const auto& item : arg.items) {
            json::object object{{"name", item.name}};
            if (item.value) object["value"] = *item.value;
            items.push_back(std::move(object));
        }
        out["arguments"] = std::move(items);
    }
    void operator()(const EnvInstruction& env) const { add(out, "pairs", env.pairs); }
    void operator()(const LabelInstruction& label) const { add(out, "pairs", label.pairs); }
    void operator()(const RunInstruction& run) const {
        add(out, "mounts", run.mounts);
        add(out, "network", run.network);
        add(out, "security", run.security);
        add(out, "devices", run.devices);
        add(out, run.command);
        add(out, run.heredocs);
    }
    void operator()(const CopyInstruction& copy) const {
        out["sources"] = array_of(copy.sources);
        out["destination"] = copy.destination;
        add(out, "from", copy.from);
        add(out, "chown", copy.chown);
        add(out, "chmod", copy.chmod);
        add(out, "checksum", copy.checksum);
        add(out, "link", copy.link);
        add(out, "parents", copy.parents);
        add(out, "keep_git_dir", copy.keep_git_dir);
        if (copy.unpack) out["unpack"] = *copy.unpack;
        add(out, "excludes", copy.excludes);
        add(out, copy.heredocs);
    }
    void operator()(const WorkdirInstruction& workdir) const { out["path"] = workdir.path; }
    void operator()(const UserInstruction& user) const { out["user"] = user.user; }
    void operator()(const CmdInstruction& cmd) const { add(out, cmd.command); }
    void operator()(const EntrypointInstruction& entrypoint) const { add(out, entrypoint.command); }
    void operator()(const ShellInstruction& shell) const { out["words"] = array_of(shell.words); }
    void operator()(const ExposeInstruction& expose) const { out["ports"] = array_of(expose.ports); }
    void operator()(const VolumeInstruction& volume) const { out["paths"] = array_of(volume.paths); }
    void operator()(const StopsignalInstruction& stop) const { out["signal"] = stop.signal; }
    void operator()(const HealthcheckInstruction& check) const {
        if (check.is_none) {
            out["none"] = true;
            return;
        }
        add(out, "interval_ns", check.interval);
        add(out, "timeout_ns", check.timeout);
        add(out, "start_period_ns", check.start_period);
        add(out, "start_interval_ns", check.start_interval);
        if (check.retries != 0) out["retries"] = check.retries;
        add(out, check.command);
    }
    void operator()(const OnbuildInstruction& onbuild) const {
        out["trigger"] = onbuild.text;
        const auto trigger = parse_trigger(onbuild.text, '\\', {});
        if (!trigger) return; // its errors come out when it is run, as in BuildKit
        json::object typed{{"instruction", trigger->keyword}};
        std::visit(Fields{typed}, trigger->body);
        out["typed_trigger"] = std::move(typed);
    }
    void operator()(const MaintainerInstruction& maintainer) const { out["name"] = maintainer.name; }
};

json::array lines_of(const SourceSpan& where) { return {where.first_line, where.last_line}; }

json::array array_of(const std::vector<Instruction>& instructions) {
    json::array array;
    for (const auto& instruction : instructions) {
        json::object out{{"instruction", instruction.keyword}, {"lines", lines_of(instruction.where)}};
        std::visit(Fields{out}, instruction.body);
        add(out, "ttl_ns", instruction.directives.time_to_live);
        add(out, "no_cutoff", instruction.directives.has_no_cutoff);
        array.push_back(std::move(out));
    }
    return array;
}

} // namespace

std::string to_json(const Dockerfile& dockerfile) {
    json::array stages;
    for (const auto& stage : dockerfile.stages) {
        json::object out{{"index", stage.index}, {"lines", lines_of(stage.where)}, {"image", stage.from.image}};
        add(out, "name", stage.from.stage_name);
        add(out, "platform", stage.from.platform);
        out["instructions"] = array_of(stage.instructions);
        stages.push_back(std::move(out));
    }
    json::object out{{"version", k_dockerfile_json_version}, {"escape", std::string(1, dockerfile.escape)}};
    add(out, "syntax", dockerfile.syntax);
    out["global_arguments"] = array_of(dockerfile.global_args);
    out["stages"] = std::move(stages);
    return json::serialize(out) + "\n";
}

} // namespace dbuild::dockerfile_parser
