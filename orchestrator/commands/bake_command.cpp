// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/commands/bake_command.hpp"

#include "orchestrator/bake/bake.hpp"
#include "orchestrator/command_line/bake_command_line.hpp"
#include "orchestrator/exit_code.hpp"
#include "orchestrator/metadata_file.hpp"
#include "support/files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>

namespace dbuild::orchestrator::commands {
namespace {

using Outcome = BakeImage::Outcome;

std::string_view name_of(Outcome outcome) {
    static constexpr std::string_view names[] = {"not built", "built", "failed", "handed over"};
    return names[static_cast<std::size_t>(outcome)];
}

/// Docker buildx builds all of them by one call, in which they read from each other as the bake file says.
/// Out: its exit status.
Result<int> hand_over(const BakeCommandLine& line, const BakeFile& file, const std::vector<std::string>& targets,
                      const std::filesystem::path& metadata, const std::atomic<bool>& cancelled) {
    DBUILD_TRY_ASSIGN(const auto all, file.with_read_targets(targets));
    DBUILD_TRY_ASSIGN(const auto folder, TempDir::create("dbuild-bake"));
    const auto path = folder.path() / "docker-bake.json";
    DBUILD_TRY(write_file(path, file.to_json(targets, all)));
    ProcessOptions process;
    process.arguments = {"docker", "buildx", "bake", "--file", path.string()};
    if (!metadata.empty()) process.arguments.push_back("--metadata-file=" + metadata.string());
    if (line.is_loaded) process.arguments.emplace_back("--load");
    if (line.is_pushed) process.arguments.emplace_back("--push");
    process.arguments.insert(process.arguments.end(), line.docker_words.begin(), line.docker_words.end());
    process.arguments.insert(process.arguments.end(), targets.begin(), targets.end());
    DBUILD_TRY_ASSIGN(const auto result, run_inherited(process, std::nullopt, [&] { return cancelled.load(); }));
    return result.exit_status;
}

/// One report of all; images in the order of the targets.
Report merged(const std::vector<BakeImage>& images) {
    Report all;
    for (const auto& image : images) {
        const auto& one = image.report;
        TargetReport target{
            image.target.name,        std::string(name_of(image.outcome)), one.scope, image.reason.message, 0, 0,
            image.wall.count() * 1000};
        for (auto step : one.steps) {
            target.hit += step.status == "hit";
            target.ran += step.status == "ran" || step.status == "made";
            all.steps.push_back(std::move(step));
        }
        all.targets.push_back(std::move(target));
        if (!image.is_only_read) all.images.insert(all.images.end(), one.images.begin(), one.images.end());
        all.totals += one.totals;
    }
    return all;
}

progress::ImagesFinished summary_of(const std::vector<BakeImage>& images, const Report& report) {
    progress::ImagesFinished summary;
    for (std::size_t i = 0; i < images.size(); ++i) {
        const auto& target = report.targets[i];
        progress::ImagesFinished::Image line{target.name, target.outcome, target.hit, target.ran, images[i].wall, 0, {},
                                             {}};
        for (const auto& made : images[i].report.images) {
            line.bytes = made.bytes;
            line.id = made.id;
            line.tags = made.tags;
        }
        summary.images.push_back(std::move(line));
    }
    std::sort(summary.images.begin(), summary.images.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    summary.wall = std::chrono::duration<double, std::milli>(report.totals.wall_ms);
    return summary;
}

Status write_metadata(const BakeCommandLine& line, const std::vector<BakeImage>& images,
                      const std::filesystem::path& of_docker) {
    std::map<std::string, std::string> by_target;
    for (const auto& image : images)
        if (!image.report.images.empty()) by_target[image.target.name] = metadata_json(image.report.images.front());
    const auto theirs = read_file(of_docker);
    auto written = write_file(line.metadata_file, metadata_json(by_target, theirs ? *theirs : ""));
    if (!written) written.error().message = "--metadata-file: " + written.error().message;
    return written;
}

/// What dbuild does not plan is built after all else, because docker buildx takes the screen.
Status build_all(const BakeCommandLine& line, const BakeDefinition& definition, std::vector<BakeImage>& images,
                 const std::atomic<bool>& cancelled, Report& report) {
    const auto started = std::chrono::steady_clock::now();
    const auto reporter = progress::make_reporter(line.progress, progress::standard_error());
    DBUILD_TRY_ASSIGN(const auto machine, find_machine());
    const auto at_failure = line.ends_at_failure ? AtFailure::end_all : AtFailure::go_on;
    const auto bytes_read = bake(images, {machine, *reporter, cancelled, at_failure});
    std::vector<std::string> left;
    std::optional<ErrorKind> failure;
    for (const auto& image : images) {
        const bool is_selected = std::find(definition.selected.begin(), definition.selected.end(), image.target.name) !=
                                 definition.selected.end();
        if (image.outcome == Outcome::handed_over && is_selected) left.push_back(image.target.name);
        const bool has_failed = image.outcome == Outcome::failed || image.outcome == Outcome::not_built;
        if (has_failed && (!failure || *failure == ErrorKind::interrupted)) failure = image.reason.kind;
    }
    report = merged(images);
    report.totals.bytes_read += bytes_read;
    report.totals.processes_started += definition.has_asked_buildx;
    report.totals.wall_ms =
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - started).count();
    reporter->report(summary_of(images, report));
    if (failure) report.exit_code = exit_code_for(*failure);
    DBUILD_TRY_ASSIGN(const auto folder, TempDir::create("dbuild-bake"));
    const auto of_docker = folder.path() / "metadata.json";
    const bool goes_on = !left.empty() && !cancelled && !(failure && line.ends_at_failure);
    if (goes_on) {
        for (const auto& image : images)
            if (image.outcome == Outcome::handed_over)
                reporter->note(
                    fmt::format("{}: handed to docker buildx bake: {}", image.target.name, image.reason.message));
        ++report.totals.processes_started;
        DBUILD_TRY_ASSIGN(const auto status,
                          hand_over(line, definition.file, left,
                                    line.metadata_file.empty() ? std::filesystem::path() : of_docker, cancelled));
        if (report.exit_code == 0) report.exit_code = status;
    }
    if (!line.metadata_file.empty()) DBUILD_TRY(write_metadata(line, images, of_docker));
    return {};
}

} // namespace

Result<int> run_bake_command(std::span<const std::string> words, const std::atomic<bool>& cancelled) {
    DBUILD_TRY_ASSIGN(const auto line, parse_bake_command_line(words, BakeCommand::bake));
    if (line.wants_help) {
        fmt::print("{}", bake_help(BakeCommand::bake));
        return 0;
    }
    if (const auto place = remote_definition(line.source); !place.empty())
        return fail(ErrorKind::usage,
                    fmt::format("the bake file {} is not on this machine: use docker buildx bake", place));
    DBUILD_TRY_ASSIGN(const auto definition, read_bake_definition(line.source, [&] { return cancelled.load(); }));
    DBUILD_TRY_ASSIGN(const auto targets, definition.file.with_read_targets(definition.selected));
    if (line.is_printed) {
        fmt::print("{}", definition.file.to_json(definition.selected, targets));
        return 0;
    }
    DBUILD_TRY_ASSIGN(auto images, images_of(definition.file, targets, definition.selected, line));
    Report report;
    const Status done = build_all(line, definition, images, cancelled, report);
    if (!done) {
        report.exit_code = exit_code_for(done.error().kind);
        report.error = done.error().message;
    }
    if (!line.report.empty())
        if (auto written = write_file(line.report, report.to_json()); !written && done && report.exit_code == 0)
            return fail(ErrorKind::unavailable, "--report: " + written.error().message);
    if (!done) return fail(done.error());
    return report.exit_code;
}

} // namespace dbuild::orchestrator::commands
