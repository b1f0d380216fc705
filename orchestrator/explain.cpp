// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/explain.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <set>

namespace dbuild::orchestrator {
namespace {

using dockerfile_parser::MountType;
using dockerfile_parser::StageReference;

const std::string k_unset = "(unset)";
constexpr std::size_t k_listed_digits = 16; // of a digest: enough to tell two versions of a file apart

/// The values of StepKeyBuilder::ingredients(), those of one name in their order.
using Ingredients = std::map<std::string, std::vector<std::string>, std::less<>>;

Ingredients parse_ingredients(std::string_view text) {
    Ingredients ingredients;
    for (std::size_t at = 0; at < text.size();) {
        const auto end = std::min(text.find('\n', at), text.size());
        const auto line = text.substr(at, end - at);
        at = end + 1;
        const auto equals = std::min(line.find('='), line.size());
        std::string value;
        for (auto i = equals + 1; i < line.size(); ++i) {
            const bool is_escape = line[i] == '\\' && i + 1 < line.size();
            if (is_escape) ++i;
            value += is_escape && line[i] == 'n' ? '\n' : line[i];
        }
        ingredients[std::string(line.substr(0, equals))].push_back(std::move(value));
    }
    return ingredients;
}

/// The texts of StepKeyBuilder::add's lists: "3:abc1:d".
std::vector<std::string> parse_list(std::string_view text) {
    std::vector<std::string> values;
    while (!text.empty()) {
        std::size_t size = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
        const auto begin = static_cast<std::size_t>(end - text.data()) + 1;
        if (error != std::errc() || begin + size > text.size()) break;
        values.emplace_back(text.substr(begin, size));
        text.remove_prefix(begin + size);
    }
    return values;
}

std::string name_of(const Project& project, int stage) {
    const auto& name = project.graph.stages[static_cast<std::size_t>(stage)].name;
    return name.empty() ? std::to_string(stage) : name;
}

std::string name_of(const Project& project, const StageReference& from) {
    return from.kind == StageReference::Kind::stage ? "stage " + name_of(project, from.stage_index)
                                                    : "image " + from.image;
}

std::string base_of(const Project& project, const ResolvedStage& stage) {
    switch (stage.base.kind) {
    case StageReference::Kind::scratch: return "scratch";
    case StageReference::Kind::stage: return "stage " + name_of(project, stage.base.stage_index);
    case StageReference::Kind::context: return "build context " + stage.base.image;
    case StageReference::Kind::image: break;
    }
    return stage.base.image + " " + project.bases.at(stage.base.image).id;
}

/// Inputs that are in a key by their content, in its order.
struct Input {
    std::string path;
    const StageReference* from = nullptr; // null: the context
};

std::vector<Input> inputs_of(const ResolvedStep& step) {
    std::vector<Input> inputs;
    if (const auto* copy = std::get_if<CopyOperation>(&step.operation))
        for (const auto& source : copy->sources) inputs.push_back({source, copy->from ? &*copy->from : nullptr});
    if (const auto* run = std::get_if<RunOperation>(&step.operation))
        for (const auto& mount : run->mounts)
            if (mount.from || mount.mount.type == MountType::bind)
                inputs.push_back({mount.mount.source, mount.from ? &*mount.from : nullptr});
    return inputs;
}

/// The digests of a key's inputs, in the order of inputs_of(); others where some are no files: URLs, repositories.
std::vector<std::string> contents_in(const Ingredients& ingredients) {
    const auto kind = ingredients.find("kind");
    const bool is_run = kind != ingredients.end() && kind->second.front() == "run";
    const auto found = ingredients.find(is_run ? "mount content" : "source content");
    return found == ingredients.end() ? std::vector<std::string>() : found->second;
}

Result<FileList> list_files(const Project& project, const std::string& source) {
    FileList files;
    DBUILD_TRY_ASSIGN(const auto selected, project.context->select(source));
    for (const auto& [named, path] : selected)
        for (const auto& entry : project.context->subtree(path, 0)) {
            std::string content = entry.content.hex() + entry.link_target;
            for (const auto& [name, value] : entry.xattrs) content += name + '\0' + value + '\0';
            files[entry.path] = {fmt::format("{:x}{:04o}", static_cast<unsigned>(entry.type), entry.mode),
                                 sha256(content).hex().substr(0, k_listed_digits)};
        }
    return files;
}

/// A step as it is now, and as it was in one earlier build after another.
class Comparison {
public:
    Comparison(const Project& project, const StepHistory& history, const PlannedStage& plan, const PlannedStep& planned)
        : project_(project), history_(history), plan_(plan), planned_(planned),
          now_(parse_ingredients(planned.ingredients)) {}

    /// Against the nearest earlier build: that with the fewest causes, of several the newest.
    std::vector<Cause> run() {
        const auto builds = history_.find(name_of(project_, plan_.stage->index));
        if (builds.empty()) return {{"first build", "", "", ""}};
        std::vector<std::pair<const PastStage*, const PastStep*>> earlier_steps;
        for (const auto* stage : builds)
            if (const auto* past = earlier(*stage)) earlier_steps.emplace_back(stage, past);
        for (const auto& [stage, past] : earlier_steps)
            if (past->key == planned_.key->digest.to_string()) return {{"result removed", "", "", ""}};
        std::vector<Cause> nearest;
        for (const auto& [stage, past] : earlier_steps) {
            if (nearest.size() == 1) break; // none can be nearer
            auto causes = compare(*stage, *past);
            if (nearest.empty() || causes.size() < nearest.size()) nearest = std::move(causes);
        }
        if (nearest.empty()) return {{"new instruction", "", "", ""}};
        return nearest;
    }

private:
    std::vector<Cause> compare(const PastStage& stage, const PastStep& past) {
        causes_.clear();
        before_ = parse_ingredients(past.ingredients);
        const auto& text = planned_.step->instruction->text;
        if (past.text != text) add("instruction", "", past.text, text);
        if (differs("chain") || differs("link")) add_chain_cause(stage);
        add_variables();
        if (past.text == text) { // else it is said by the text
            for (const auto& [field, kind] : k_plain)
                if (differs(field))
                    add(std::string(kind), "", or_unset(value(before_, field)), or_unset(value(now_, field)));
            for (const auto& [field, kind] : k_opaque)
                if (differs(field)) add(std::string(kind), "", "", "");
        }
        if (differs("mount state")) add("cache mount", "", "", "");
        add_contents();
        if (causes_.empty()) add("instruction", "", past.text, text); // how it was understood
        return std::move(causes_);
    }

    // Fields of a key whose values say something, and those whose values are lists or digests.
    static constexpr std::pair<std::string_view, std::string_view> k_plain[] = {
        {"platform", "platform"}, {"directory", "working directory"}, {"user", "user"},
        {"network", "network"},   {"destination", "destination"},     {"owner", "owner"},
        {"mode", "mode"},         {"path", "working directory"}};
    static constexpr std::pair<std::string_view, std::string_view> k_opaque[] = {
        {"arguments", "shell or command"}, {"script", "heredoc"},       {"mount", "mount"},
        {"file name", "heredoc"},          {"file content", "heredoc"}, {"source name", "source"}};

    static const std::vector<std::string>& values(const Ingredients& from, std::string_view name) {
        static const std::vector<std::string> none;
        const auto found = from.find(name);
        return found == from.end() ? none : found->second;
    }
    static std::string value(const Ingredients& from, std::string_view name) {
        const auto& all = values(from, name);
        return all.empty() ? "" : all.front();
    }
    static std::string or_unset(std::string text) { return text.empty() ? k_unset : text; }
    bool differs(std::string_view name) const { return values(before_, name) != values(now_, name); }
    void add(std::string kind, std::string name, std::string before, std::string after) {
        causes_.push_back({std::move(kind), std::move(name), std::move(before), std::move(after)});
    }

    std::vector<const PlannedStep*> layer_steps() const {
        std::vector<const PlannedStep*> steps;
        for (const auto& step : plan_.steps)
            if (step.step->makes_layer()) steps.push_back(&step);
        return steps;
    }
    std::size_t position() const { // among those that make layers; a step that is being planned comes after all others
        std::size_t count = 0;
        for (const auto* step : layer_steps()) count += step->step->position < planned_.step->position ? 1 : 0;
        return count;
    }

    bool is_in_stage(const std::string& text) const {
        const auto& steps = plan_.stage->steps;
        return std::any_of(steps.begin(), steps.end(),
                           [&](const ResolvedStep& step) { return step.instruction->text == text; });
    }

    /// The step that this one was: the nearest one of the same text, else the one in its place if it is of the same
    /// kind and not another one's.
    const PastStep* earlier(const PastStage& stage) const {
        const auto place = position();
        const PastStep* nearest = nullptr;
        std::size_t distance = SIZE_MAX;
        for (std::size_t i = 0; i < stage.steps.size(); ++i) {
            const auto away = i < place ? place - i : i - place;
            if (stage.steps[i].text != planned_.step->instruction->text || away >= distance) continue;
            nearest = &stage.steps[i];
            distance = away;
        }
        if (nearest || place >= stage.steps.size()) return nearest;
        const auto& there = stage.steps[place];
        return !is_in_stage(there.text) &&
                       there.ingredients.substr(0, there.ingredients.find('\n')) == "kind=" + value(now_, "kind")
                   ? &there
                   : nullptr;
    }

    /// What the root file system below the step owes its change to.
    void add_chain_cause(const PastStage& past) {
        const auto base = base_of(project_, *plan_.stage);
        if (past.base != base) {
            const bool is_image = plan_.stage->base.kind == StageReference::Kind::image;
            const auto id = [](const std::string& text) { return text.substr(text.rfind(' ') + 1); };
            const bool is_same_name = past.base.substr(0, past.base.rfind(' ')) == base.substr(0, base.rfind(' '));
            if (is_image && is_same_name) return add("base image", plan_.stage->base.image, id(past.base), id(base));
            return add("base image", "", past.base, base);
        }
        const auto steps = layer_steps();
        const auto place = position();
        for (std::size_t i = 0; i < place; ++i) {
            const auto& text = steps[i]->step->instruction->text;
            if (i < past.steps.size() && past.steps[i].text == text && steps[i]->key &&
                past.steps[i].key == steps[i]->key->digest.to_string())
                continue;
            const bool was_there =
                std::any_of(past.steps.begin(), past.steps.end(), [&](const auto& step) { return step.text == text; });
            if (was_there && i < past.steps.size() && !is_in_stage(past.steps[i].text))
                return add("earlier step removed", past.steps[i].text, "", "");
            if (!was_there && i < past.steps.size() && is_in_stage(past.steps[i].text))
                return add("earlier step added", text, "", "");
            return add("earlier step", text, "", "");
        }
        if (place < past.steps.size() && past.steps[place].text != planned_.step->instruction->text)
            return add(is_in_stage(past.steps[place].text) ? "earlier step moved" : "earlier step removed",
                       past.steps[place].text, "", "");
        if (plan_.stage->base.kind == StageReference::Kind::stage) return add("earlier step", "in " + base, "", "");
        add("earlier step", "", "", ""); // ran again under its key, with another outcome
    }

    void add_variables() {
        std::map<std::string, std::string> before, now;
        const auto split = [](const Ingredients& from, std::map<std::string, std::string>& into) {
            for (const auto& entry : parse_list(value(from, "environment")))
                into[entry.substr(0, entry.find('='))] = entry.substr(std::min(entry.find('=') + 1, entry.size()));
        };
        split(before_, before);
        split(now_, now);
        std::set<std::string> names;
        for (const auto* all : {&before, &now})
            for (const auto& [name, text] : *all) names.insert(name);
        const auto variables = planned_.step->before.variables();
        for (const auto& name : names) {
            const auto old = before.find(name), current = now.find(name);
            if (old != before.end() && current != now.end() && old->second == current->second) continue;
            const bool is_argument = std::any_of(variables.begin(), variables.end(), [&](const Variable& variable) {
                return variable.name == name && variable.is_argument;
            });
            add(is_argument ? "build argument" : "variable", name, old == before.end() ? k_unset : old->second,
                current == now.end() ? k_unset : current->second);
        }
    }

    void add_contents() {
        const auto before = contents_in(before_), now = contents_in(now_);
        const auto inputs = inputs_of(*planned_.step);
        if (before.size() != now.size() || now.size() != inputs.size()) return; // the instruction says it
        for (std::size_t i = 0; i < now.size(); ++i) {
            if (before[i] == now[i]) continue;
            if (inputs[i].from)
                add("content", fmt::format("{} of {}", inputs[i].path, name_of(project_, *inputs[i].from)), "", "");
            else if (const auto digest = Digest::parse(before[i]); !digest || !add_files(*digest, inputs[i].path))
                add("content", inputs[i].path, "", "");
        }
    }

    /// Null if they cannot be listed.
    const FileList* files_now(const std::string& source) {
        auto known = files_.find(source);
        if (known == files_.end()) known = files_.emplace(source, list_files(project_, source)).first;
        return known->second ? &*known->second : nullptr;
    }

    /// False if it is not known which files there were, or the difference is not in a file.
    bool add_files(const Digest& selection, const std::string& source) {
        const auto past = history_.find_files(selection);
        const auto* files = files_now(source);
        if (!past || !files) return false;
        const auto mode = value(now_, "mode"); // of --chmod
        const bool do_modes_count = mode.empty() || mode.starts_with("symbols");
        const auto count = causes_.size();
        auto old = past->begin();
        auto current = files->begin();
        while (old != past->end() || current != files->end()) {
            if (current == files->end() || (old != past->end() && old->first < current->first)) {
                add("file removed", (old++)->first, "", "");
            } else if (old == past->end() || current->first < old->first) {
                add("file added", (current++)->first, "", "");
            } else {
                if (old->second.content != current->second.content) add("file content", old->first, "", "");
                if (old->second.mode != current->second.mode && do_modes_count)
                    add("file mode", old->first, old->second.mode.substr(1), current->second.mode.substr(1));
                ++old, ++current;
            }
        }
        return causes_.size() > count;
    }

    const Project& project_;
    const StepHistory& history_;
    const PlannedStage& plan_;
    const PlannedStep& planned_;
    const Ingredients now_;
    std::map<std::string, Result<FileList>> files_; // now, by source
    // Of the earlier build that is being compared with:
    Ingredients before_;
    std::vector<Cause> causes_;
};

} // namespace

std::string Cause::to_string() const {
    auto text = name.empty() ? kind : kind + ": " + name;
    if (!before.empty() || !after.empty()) text += fmt::format("{} {} -> {}", name.empty() ? ":" : "", before, after);
    return text;
}

std::vector<Cause> causes_of(const Project& project, const StepHistory& history, const PlannedStage& plan,
                             const PlannedStep& planned) {
    return Comparison(project, history, plan, planned).run();
}

std::string in_one_line(const std::vector<Cause>& causes, std::size_t limit) {
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < std::min(limit, causes.size()); ++i) {
        auto text = causes[i].to_string();
        std::replace(text.begin(), text.end(), '\n', ' ');
        texts.push_back(std::move(text));
    }
    const auto more = causes.size() - texts.size();
    return fmt::format("{}{}", fmt::join(texts, "; "), more ? fmt::format("; and {} more", more) : "");
}

Status remember_steps(const Project& project, const Planner& planner, StepHistory& history) {
    std::vector<PastStage> stages;
    for (const int index : project.graph.needed) {
        const auto& plan = planner.planned(index);
        auto& stage = stages.emplace_back(PastStage{name_of(project, index), base_of(project, *plan.stage), {}});
        for (const auto& planned : plan.steps) {
            if (!planned.step->makes_layer() || !planned.key || !planned.record) continue;
            stage.steps.push_back(
                {planned.step->instruction->text, planned.key->digest.to_string(), planned.ingredients});
            const auto contents = contents_in(parse_ingredients(planned.ingredients));
            const auto inputs = inputs_of(*planned.step);
            for (std::size_t i = 0; i < inputs.size() && contents.size() == inputs.size(); ++i)
                if (const auto digest = Digest::parse(contents[i]); digest && !inputs[i].from)
                    DBUILD_TRY(history.keep_files(*digest, [&] { return list_files(project, inputs[i].path); }));
        }
    }
    return history.save(stages);
}

} // namespace dbuild::orchestrator
