// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/commands/affected_command.hpp"

#include "orchestrator/bake/affected.hpp"
#include "orchestrator/cache_folder.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

namespace json = boost::json;

namespace dbuild::orchestrator::commands {
namespace {

std::string seconds(double wall_ms) { return fmt::format("{:.1f} s", wall_ms / 1000); }

/// Its first line.
std::string_view first_line(const std::string& text) { return std::string_view(text).substr(0, text.find('\n')); }

void print_text(const std::vector<AffectedImage>& images) {
    for (const auto& image : images) {
        fmt::print("{}: {}{}{}{}\n", image.name, image.reason, image.reason.empty() || image.steps.empty() ? "" : "; ",
                   image.steps.empty() ? "" : fmt::format("{} steps", image.steps.size()),
                   image.wall_ms > 0 ? fmt::format(", which took {} before", seconds(image.wall_ms)) : "");
        for (const auto& step : image.steps)
            fmt::print("    [{} line {}] {}{}{}\n", step.stage, step.line, first_line(step.text),
                       step.changed.empty() ? "" : fmt::format(" ({})", step.changed),
                       step.wall_ms ? ": " + seconds(*step.wall_ms) : "");
    }
    if (images.empty()) fmt::print("no image differs\n");
}

void print_json(const std::vector<AffectedImage>& images, const std::string& since) {
    json::array list;
    for (const auto& image : images) {
        json::array steps;
        for (const auto& step : image.steps)
            steps.push_back(
                json::object{{"stage", step.stage},
                             {"position", step.position},
                             {"line", step.line},
                             {"text", step.text},
                             {"changed", step.changed.empty() ? json::value(nullptr) : json::value(step.changed)},
                             {"wall_ms", step.wall_ms ? json::value(*step.wall_ms) : json::value(nullptr)}});
        list.push_back(json::object{{"target", image.name},
                                    {"reason", image.reason.empty() ? json::value(nullptr) : json::value(image.reason)},
                                    {"steps", std::move(steps)},
                                    {"wall_ms", image.wall_ms}});
    }
    fmt::print("{}\n", json::serialize(json::object{{"version", 1}, {"since", since}, {"images", std::move(list)}}));
}

/// As `strategy.matrix` of a workflow takes it through fromJSON().
void print_matrix(const std::vector<AffectedImage>& images) {
    json::array list;
    for (const auto& image : images) list.push_back(json::object{{"target", image.name}});
    fmt::print("{}\n", json::serialize(json::object{{"include", std::move(list)}}));
}

} // namespace

Result<int> run_affected_command(std::span<const std::string> words, const std::atomic<bool>& cancelled) {
    DBUILD_TRY_ASSIGN(const auto line, parse_bake_command_line(words, BakeCommand::affected));
    if (line.wants_help) {
        fmt::print("{}", bake_help(BakeCommand::affected));
        return 0;
    }
    DBUILD_TRY_ASSIGN(const auto since, Revision::open(line.since));
    DBUILD_TRY_ASSIGN(const auto now, read_bake_definition(line.source, [&] { return cancelled.load(); }));
    DBUILD_TRY_ASSIGN(auto index, cache::store::Index::open(cache_folder()));
    const auto reporter = progress::make_reporter(progress::Form::none, progress::standard_error());
    Parts parts;
    parts.index = &index;
    parts.reporter = reporter.get();
    parts.cancelled = &cancelled;
    DBUILD_TRY_ASSIGN(const auto images, affected_images(parts, line, now, since));
    if (line.format == "json")
        print_json(images, line.since);
    else if (line.format == "github-matrix")
        print_matrix(images);
    else
        print_text(images);
    return 0;
}

} // namespace dbuild::orchestrator::commands
