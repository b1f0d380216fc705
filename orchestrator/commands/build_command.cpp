// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/commands/build_command.hpp"

#include "orchestrator/build.hpp"
#include "orchestrator/command_line/build_flags.hpp"
#include "orchestrator/exit_code.hpp"
#include "orchestrator/explanation.hpp"
#include "orchestrator/hand_over.hpp"
#include "orchestrator/image_build.hpp"
#include "orchestrator/run_secrets.hpp"
#include "support/files.hpp"
#include "support/http.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <iterator>

namespace dbuild::orchestrator::commands {
namespace {

enum class Purpose { build, plan, explain_as_text, explain_as_json };

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

bool is_handed_over(const Status& done) {
    return !done && (done.error().kind == ErrorKind::unsupported || done.error().kind == ErrorKind::no_space);
}

/// Errors: besides those of building, unsupported — docker buildx has to build it, and the message says why.
Status execute(BuildCommandLine& line, Purpose purpose, const std::atomic<bool>& cancelled,
               progress::Reporter& reporter, Report& report) {
    if (purpose == Purpose::build) DBUILD_TRY(find_secrets(line.options.secrets));
    const auto& outputs = line.options.outputs;
    const auto is_registry = [](const auto& output) { return output.kind == exporters::Output::Kind::registry; };
    if (purpose == Purpose::build && std::any_of(outputs.begin(), outputs.end(), is_registry)) prepare_remote_http();
    DBUILD_TRY_ASSIGN(const auto machine, find_machine());
    if (line.handed_over_because.empty() && line.options.dockerfile == "-")
        line.options.dockerfile_text = std::string(std::istreambuf_iterator<char>(std::cin), {});
    const auto print_line = [](const std::string& text) { fmt::print("{}\n", text); };
    const auto run = [&](const Parts& parts, const BuildOptions& options) -> Status {
        switch (purpose) {
        case Purpose::build: break;
        case Purpose::plan: return show_plan(parts, options, print_line, report);
        case Purpose::explain_as_text: return explain_plan(parts, options, ExplanationFormat::text, print_line);
        case Purpose::explain_as_json: return explain_plan(parts, options, ExplanationFormat::json, print_line);
        }
        DBUILD_TRY(build(parts, options, report));
        return {};
    };
    const auto use = purpose == Purpose::build ? EngineUse::build : EngineUse::look;
    return build_image(machine, line, {use, run, &reporter, &cancelled}, report);
}

/// Builds or plans; what is not planned is handed over. The report is written in any case.
Result<int> run(std::span<const std::string> words, Purpose purpose, const std::atomic<bool>& cancelled) {
    const auto started = std::chrono::steady_clock::now();
    DBUILD_TRY_ASSIGN(auto line, parse_build_command_line(words));
    if (line.wants_help) {
        fmt::print("Usage: dbuild [build|plan] [FLAGS] PATH | URL | -\n{}", build_flags_help());
        return 0;
    }
    Report report;
    const auto reporter = progress::make_reporter(line.progress, progress::standard_error());
    Status done = execute(line, purpose, cancelled, *reporter, report);
    if (is_handed_over(done)) {
        const auto reason = done.error().message;
        done = {};
        if (purpose == Purpose::explain_as_json) {
            reporter->warning("the whole build would go to docker buildx build: " + reason);
            fmt::print("[]\n");
        } else if (purpose != Purpose::build) {
            fmt::print("the whole build would go to docker buildx build: {}\n", reason);
        } else {
            ++report.totals.processes_started;
            reporter->report(progress::BuildHandedOver{build_program(), reason});
            const auto status = hand_over(line.options, cancelled);
            if (status)
                report.exit_code = *status;
            else
                done = fail(status.error());
        }
    }
    if (!done) {
        report.exit_code = exit_code_for(done.error().kind);
        report.error = done.error().message;
        reporter->report(progress::BuildFailed{done.error()});
    }
    report.totals.wall_ms =
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - started).count();
    if (!line.options.report.empty())
        if (auto written = write_file(line.options.report, report.to_json()); !written && done && report.exit_code == 0)
            return fail(ErrorKind::unavailable, "--report: " + written.error().message);
    if (!report.images.empty() && done) reporter->report(summary_of(report));
    if (line.options.is_quiet)
        for (const auto& image : report.images) fmt::print("{}\n", image.id);
    return report.exit_code;
}

} // namespace

Result<int> run_build_command(std::span<const std::string> words, const std::atomic<bool>& cancelled) {
    return run(words, Purpose::build, cancelled);
}

Result<int> run_plan_command(std::span<const std::string> words, const std::atomic<bool>& cancelled) {
    return run(words, Purpose::plan, cancelled);
}

Result<int> run_explain_command(std::span<const std::string> words, const std::atomic<bool>& cancelled) {
    std::vector<std::string> others;
    std::string format = "text";
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (words[i] == "--format" && i + 1 < words.size())
            format = words[++i];
        else if (words[i].starts_with("--format="))
            format = words[i].substr(words[i].find('=') + 1);
        else
            others.push_back(words[i]);
    }
    if (format != "text" && format != "json")
        return fail(ErrorKind::usage, "--format takes text or json, not \"" + format + "\"");
    return run(others, format == "json" ? Purpose::explain_as_json : Purpose::explain_as_text, cancelled);
}

} // namespace dbuild::orchestrator::commands
