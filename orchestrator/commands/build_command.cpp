// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/commands/build_command.hpp"

#include "executors/buildx/buildx_executor.hpp"
#include "orchestrator/build.hpp"
#include "orchestrator/exit_code.hpp"
#include "support/files.hpp"
#include "support/process.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cstdlib>

namespace dbuild::orchestrator::commands {
namespace {

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

/// DBUILD_CACHE_DIR, else $XDG_CACHE_HOME/dbuild, else ~/.cache/dbuild.
std::filesystem::path cache_folder() {
    if (const auto folder = environment("DBUILD_CACHE_DIR"); !folder.empty()) return folder;
    if (const auto folder = environment("XDG_CACHE_HOME"); !folder.empty()) return std::filesystem::path(folder) / "dbuild";
    return std::filesystem::path(environment("HOME")) / ".cache" / "dbuild";
}

/// The whole build through docker buildx, unchanged, where dbuild does not plan it.
Result<int> hand_over(const BuildOptions& options) {
    ProcessOptions process;
    process.arguments = {"docker", "buildx", "build"};
    // What only dbuild knows is left out; what both know is passed on as it was given.
    const auto& words = options.original_arguments;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const bool is_ours = words[i].starts_with("--scope") || words[i].starts_with("--executor") || words[i].starts_with("--report");
        if (!is_ours)
            process.arguments.push_back(words[i]);
        else if (words[i].find('=') == std::string::npos)
            ++i;
    }
    DBUILD_TRY_ASSIGN(const auto result, run_inherited(process));
    return result.exit_status;
}

struct OwnedParts {
    cache::store::Index index;
    cache::store::LayerStore layers;
    EngineClient engine;
    std::unique_ptr<executors::Executor> executor;
    Parts borrow(progress::Reporter& reporter, const std::atomic<bool>& cancelled) {
        return {&index, &layers, executor.get(), &engine, &reporter, &cancelled};
    }
};

/// A cache that cannot be opened must not fail a build: docker buildx makes it without one.
template <class T>
Result<T> without_cache(Result<T> opened) {
    if (!opened) opened.error().kind = ErrorKind::unsupported;
    return opened;
}

Result<OwnedParts> make_parts() {
    const auto folder = cache_folder();
    DBUILD_TRY(without_cache(make_directories(folder)));
    DBUILD_TRY_ASSIGN(auto index, without_cache(cache::store::Index::open(folder)));
    DBUILD_TRY_ASSIGN(auto layers, without_cache(cache::store::LayerStore::open(folder)));
    DBUILD_TRY_ASSIGN(auto engine, EngineClient::create(environment("DOCKER_HOST")));
    return OwnedParts{std::move(index), std::move(layers), std::move(engine),
                      executors::buildx::make_buildx_executor()};
}

std::unique_ptr<progress::Reporter> make_reporter(ProgressKind kind) {
    return kind == ProgressKind::quiet ? progress::make_quiet_reporter() : progress::make_plain_reporter();
}

progress::BuildFinished summary_of(const Report& report) {
    progress::BuildFinished summary;
    for (const auto& step : report.steps) {
        summary.hit += step.status == "hit";
        summary.ran += step.status == "ran" || step.status == "made";
    }
    summary.wall = std::chrono::duration<double, std::milli>(report.totals.wall_ms);
    for (const auto& image : report.images) summary.images.push_back({image.id, image.bytes, image.tags});
    return summary;
}

Status execute(const Command& command, const std::atomic<bool>& cancelled, progress::Reporter& reporter, Report& report) {
    if (!command.options.image_id_file.empty()) { // an old ID must not outlive a failed build
        std::error_code ignored;
        std::filesystem::remove(command.options.image_id_file, ignored);
    }
    DBUILD_TRY_ASSIGN(auto owned, make_parts());
    const auto parts = owned.borrow(reporter, cancelled);
    const auto print_line = [](const std::string& line) { fmt::print("{}\n", line); };
    Status done = command.name == CommandName::plan ? show_plan(parts, command.options, print_line, report)
                                                    : build(parts, command.options, report);
    report.totals.engine_requests = owned.engine.requests();
    DBUILD_TRY(std::move(done));
    if (!command.options.image_id_file.empty() && !report.images.empty())
        DBUILD_TRY(write_file(command.options.image_id_file, report.images.front().id));
    return {};
}

} // namespace

int run_build_command(const Command& command, const std::atomic<bool>& cancelled) {
    const auto started = std::chrono::steady_clock::now();
    Report report;
    const auto reporter = make_reporter(command.progress);
    Status done = execute(command, cancelled, *reporter, report);
    if (!done && done.error().kind == ErrorKind::unsupported) {
        if (command.name == CommandName::plan) {
            fmt::print("the whole build would go to docker buildx build: {}\n", done.error().message);
            done = {};
        } else {
            ++report.totals.processes_started;
            reporter->report(progress::BuildHandedOver{done.error().message});
            const auto status = hand_over(command.options);
            if (status) {
                report.exit_code = *status;
                done = {};
            } else {
                done = fail(status.error());
            }
        }
    }
    if (!done) {
        report.exit_code = exit_code_for(done.error().kind);
        report.error = done.error().message;
        reporter->report(progress::BuildFailed{done.error()});
    }
    report.totals.wall_ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - started).count();
    if (!command.options.report.empty())
        if (const auto written = write_file(command.options.report, report.to_json()); !written) {
            fmt::print(stderr, "error: --report: {}\n", written.error().message);
            if (report.exit_code == 0) report.exit_code = exit_code_for(written.error().kind);
        }
    if (!report.images.empty() && done) reporter->report(summary_of(report));
    if (command.options.is_quiet)
        for (const auto& image : report.images) fmt::print("{}\n", image.id);
    return report.exit_code;
}

} // namespace dbuild::orchestrator::commands
