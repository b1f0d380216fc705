// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/bake/affected.hpp"

#include "orchestrator/bake/bake.hpp"
#include "orchestrator/bake/context_changes.hpp"
#include "orchestrator/bake/lineage.hpp"
#include "orchestrator/cache_folder.hpp"
#include "orchestrator/ignore_file.hpp"
#include "orchestrator/step_history.hpp"
#include "orchestrator/step_reports.hpp"
#include "support/files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace fs = std::filesystem;

namespace dbuild::orchestrator {
namespace {

/// One target in one of the two states.
struct Target {
    BakeImage image;
    std::unique_ptr<Project> project;  // null: it cannot be planned
    std::map<int, PlannedStage> plans; // borrow from the project
    std::string problem;               // why there is no project
    std::string result;                // equal in both states: the same image
    std::set<Digest> keys;
};

fs::path dockerfile_of(const BuildOptions& options) {
    return options.dockerfile.empty() ? options.context / "Dockerfile" : options.dockerfile;
}

/// What a build is told besides the arguments, which are in the keys as far as they matter.
std::string told(const BakeImage& image) {
    std::string text;
    for (const auto& word : image.target.words)
        if (!word.starts_with("--build-arg=")) text += word + "\n";
    return text;
}

/// All targets in one state. In: since — null for the work tree.
class State {
public:
    State(const Parts& parts, const Revision& changes, const Revision* since)
        : parts_(parts), changes_(changes), since_(since) {}

    /// In: images — what is read stands before what reads it.
    Status plan(std::vector<BakeImage> images) {
        for (auto& image : images) {
            Target target;
            target.image = std::move(image);
            if (Status planned = plan(target); !planned) {
                if (!since_ && planned.error().kind != ErrorKind::unsupported) return fail(std::move(planned).error());
                target.project.reset();
                target.problem = planned.error().message;
            }
            auto name = target.image.target.name;
            targets_.emplace(std::move(name), std::move(target));
        }
        return {};
    }

    const Target* find(const std::string& name) const {
        const auto found = targets_.find(name);
        return found == targets_.end() ? nullptr : &found->second;
    }

    /// The first changed path that a step of the work tree reads.
    Result<std::string> path_read_by(const Target& target, const ResolvedStep& step) const {
        DBUILD_TRY_ASSIGN(const auto changes, context_changes(*target.project));
        for (const auto& source : step.context_sources())
            if (auto path = changes(source)) return std::move(*path);
        return std::string();
    }
    /// Whether anything differs that docker buildx may read for a target that is not planned.
    Result<std::string> difference(const Target& target) const {
        const auto& options = target.image.line.options;
        std::error_code error;
        if (!fs::is_directory(options.context, error))
            return "its context is not in the work tree: " + options.context.string();
        if (changes_.is_changed(dockerfile_of(options))) return dockerfile_of(options).string();
        DBUILD_TRY_ASSIGN(const auto file, read_ignore_file(dockerfile_of(options), options.context));
        DBUILD_TRY_ASSIGN(const auto changes,
                          ContextChanges::of(options.context, changes_.changed(), file.text, file.name));
        return changes.any().value_or("");
    }

private:
    Status plan(Target& target) {
        auto& line = target.image.line;
        if (!target.image.target.unplanned.empty()) return fail(ErrorKind::unsupported, target.image.target.unplanned);
        if (!line.handed_over_because.empty()) return fail(ErrorKind::unsupported, line.handed_over_because);
        auto options = line.options;
        for (const auto& [context, other] : target.image.target.reads) {
            DBUILD_TRY_ASSIGN(options.image_contexts[context], image_of(other));
        }
        const auto dockerfile = dockerfile_of(options);
        if (since_ && !options.dockerfile_text && changes_.is_changed(dockerfile)) {
            DBUILD_TRY_ASSIGN(options.dockerfile_text, since_->read(dockerfile));
            if (!options.dockerfile_text) return fail(ErrorKind::not_found, "there was no " + dockerfile.string());
        }
        DBUILD_TRY_ASSIGN(auto project, load_project(parts_, std::move(options)));
        target.project = std::make_unique<Project>(std::move(project));
        DBUILD_TRY_ASSIGN(const auto changes, context_changes(*target.project));
        const std::string_view mark = since_ ? "before" : "now";
        const auto context = [&](const std::string& source) { return sha256(changes(source) ? mark : "unchanged"); };
        auto plans = lineage_of(parts_, *target.project, context);
        if (!plans) return fail(target.project->explained(std::move(plans).error()));
        target.plans = std::move(*plans);
        for (const auto& [index, plan] : target.plans)
            for (const auto& step : plan.steps)
                if (step.key) target.keys.insert(step.key->digest);
        const int last = target.project->graph.target;
        target.result = target.plans.at(last).final_chain->digest().hex() +
                        target.project->stages.at(last).final.config.to_json() + told(target.image);
        return {};
    }

    /// A changed .dockerignore may let in, or leave out, files that did not change.
    Result<std::function<std::optional<std::string>(const std::string&)>>
    context_changes(const Project& project) const {
        const auto& options = project.options;
        const auto own = dockerfile_of(options).string() + ".dockerignore",
                   common = (options.context / ".dockerignore").string();
        for (const auto& file : {own, common})
            if (changes_.is_changed(file))
                return [name = fs::path(file).filename().string()](const std::string&) { return std::optional(name); };
        DBUILD_TRY_ASSIGN(auto changes, ContextChanges::of(options.context, changes_.changed(), project.ignore_source,
                                                           ".dockerignore"));
        return [changes = std::move(changes)](const std::string& source) { return changes.find(source); };
    }

    /// What stands for a target's image where another one is built on it.
    Result<std::shared_ptr<const BaseImage>> image_of(const std::string& name) const {
        const auto* target = find(name);
        if (!target || !target->project)
            return fail(ErrorKind::unsupported, fmt::format("target {} cannot be planned", name));
        const int last = target->project->graph.target;
        BaseImage image{"target:" + name, {}, target->project->stages.at(last).final.config, {}, false, true};
        image.config.diff_ids = {target->plans.at(last).final_chain->digest()};
        return std::make_shared<const BaseImage>(std::move(image));
    }

    const Parts& parts_;
    const Revision& changes_;
    const Revision* since_;
    std::map<std::string, Target> targets_;
};

class Comparison {
public:
    Comparison(const Parts& parts, const State& before, const State& now) : parts_(parts), before_(before), now_(now) {}

    /// Nothing: the image is the same.
    Result<std::optional<AffectedImage>> compare(const std::string& name) {
        const auto& target = *now_.find(name);
        const auto* past = before_.find(name);
        AffectedImage image;
        image.name = name;
        if (!target.project) return compare_unplanned(target, past, std::move(image));
        const bool is_new = !past || !past->project;
        if (!is_new && past->result == target.result) return std::nullopt;
        const auto history = StepHistory::open(cache_folder() / "explain", target.project->scope);
        Report unused;
        const StepReports labels(*target.project, unused);
        for (const auto& [index, plan] : target.plans)
            for (const auto& step : plan.steps)
                if (step.key && (is_new || !past->keys.contains(step.key->digest))) {
                    DBUILD_TRY(add_step(target, plan, *step.step, labels, history, image));
                }
        if (is_new)
            image.reason = "it is new";
        else if (image.steps.empty())
            image.reason = told(past->image) == told(target.image) ? "its configuration, or which steps it is made of"
                                                                   : "what the bake file says of it";
        return image;
    }

private:
    Result<std::optional<AffectedImage>> compare_unplanned(const Target& target, const Target* past,
                                                           AffectedImage image) {
        if (!past || past->image.target.words != target.image.target.words ||
            past->image.target.dockerfile_text != target.image.target.dockerfile_text) {
            image.reason = past ? "what the bake file says of it" : "it is new";
            return image;
        }
        DBUILD_TRY_ASSIGN(image.reason, now_.difference(target));
        for (const auto& [context, other] : target.image.target.reads) {
            DBUILD_TRY_ASSIGN(const auto read, compare(other));
            if (read && image.reason.empty()) image.reason = "target " + other;
        }
        if (image.reason.empty()) return std::nullopt;
        image.reason += fmt::format(" (docker buildx builds it: {})", target.problem);
        return image;
    }

    Status add_step(const Target& target, const PlannedStage& plan, const ResolvedStep& step, const StepReports& labels,
                    const StepHistory& history, AffectedImage& image) {
        const auto label = labels.label(*plan.stage, step);
        AffectedStep affected{label.stage, label.position, label.line, label.text, {}, {}};
        DBUILD_TRY_ASSIGN(affected.changed, now_.path_read_by(target, step));
        const auto& name = target.project->graph.stages[static_cast<std::size_t>(plan.stage->index)].name;
        for (const auto* past : history.find(name.empty() ? std::to_string(plan.stage->index) : name))
            for (const auto& known : past->steps)
                if (known.text == label.text && !affected.wall_ms) { // as in the newest build that has it
                    DBUILD_TRY_ASSIGN(affected.wall_ms, time_of(known.key));
                }
        image.wall_ms += affected.wall_ms.value_or(0);
        image.steps.push_back(std::move(affected));
        return {};
    }

    Result<std::optional<double>> time_of(const std::string& key) {
        const auto digest = Digest::parse(key);
        if (!digest) return std::nullopt;
        DBUILD_TRY_ASSIGN(const auto record, parts_.index->find_step({*digest}));
        if (!record) return std::nullopt;
        return record->wall_ms;
    }

    const Parts& parts_;
    const State& before_;
    const State& now_;
};

/// The definition as it was; it is read where the working folder is, so that its paths mean the same.
Result<BakeDefinition> definition_before(const BakeCommandLine& line, const Revision& since) {
    auto source = line.source;
    auto files = source.files.empty() ? default_bake_files("") : source.files;
    DBUILD_TRY_ASSIGN(const auto folder, TempDir::create("dbuild-affected"));
    source.files.clear();
    for (std::size_t i = 0; i < files.size(); ++i) {
        if (!since.is_changed(files[i])) {
            source.files.push_back(files[i]);
            continue;
        }
        DBUILD_TRY_ASSIGN(const auto text, since.read(files[i]));
        if (!text) continue;
        source.files.push_back(
            (folder.path() / fmt::format("{}-{}", i, fs::path(files[i]).filename().string())).string());
        DBUILD_TRY(write_file(source.files.back(), *text));
    }
    if (source.files.empty()) return fail(ErrorKind::not_found, "there was no bake file");
    return read_bake_definition(source, nullptr);
}

bool is_definition_changed(const BakeCommandLine& line, const Revision& since) {
    const auto files = line.source.files.empty() ? default_bake_files("") : line.source.files;
    return std::any_of(files.begin(), files.end(), [&](const auto& file) { return since.is_changed(file); });
}

Result<std::vector<BakeImage>> images_in(const BakeDefinition& definition, const BakeCommandLine& line) {
    DBUILD_TRY_ASSIGN(const auto targets, definition.file.with_read_targets(definition.selected));
    return images_of(definition.file, targets, definition.selected, line);
}

} // namespace

Result<std::vector<AffectedImage>> affected_images(const Parts& parts, const BakeCommandLine& line,
                                                   const BakeDefinition& now, const Revision& since) {
    State before(parts, since, &since), present(parts, since, nullptr);
    DBUILD_TRY_ASSIGN(auto images, images_in(now, line));
    DBUILD_TRY(present.plan(std::move(images)));
    std::optional<BakeDefinition> past;
    if (!is_definition_changed(line, since)) {
        past = now;
    } else if (auto read = definition_before(line, since)) {
        past = std::move(*read);
    }
    if (past)
        if (auto old_images = images_in(*past, line))
            DBUILD_TRY(before.plan(std::move(*old_images))); // else all are new
    std::vector<AffectedImage> affected;
    Comparison comparison(parts, before, present);
    for (const auto& name : now.selected) {
        DBUILD_TRY_ASSIGN(auto image, comparison.compare(name));
        if (image) affected.push_back(std::move(*image));
    }
    return affected;
}

} // namespace dbuild::orchestrator
