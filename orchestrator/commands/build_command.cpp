// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/commands/build_command.hpp"

#include "cache/remote/remotes.hpp"
#include "cache/store/catalog.hpp"
#include "cache/store/prune.hpp"
#include "orchestrator/build.hpp"
#include "orchestrator/command_line/build_flags.hpp"
#include "orchestrator/exit_code.hpp"
#include "orchestrator/explanation.hpp"
#include "orchestrator/hand_over.hpp"
#include "orchestrator/metadata_file.hpp"
#include "orchestrator/owned_parts.hpp"
#include "orchestrator/scope.hpp"
#include "support/environment.hpp"
#include "support/files.hpp"
#include "support/platform.hpp"

#include <fmt/format.h>

#include <chrono>
#include <iostream>
#include <iterator>
#include <set>

namespace dbuild::orchestrator::commands {
namespace {

enum class Purpose { build, plan, explain_as_text, explain_as_json };

/// Cache trouble costs a line, never a build. What two parts of the cache met with is said once.
void report_cache_warnings(OwnedParts& owned, progress::Reporter& reporter) {
    std::set<std::string> texts;
    for (auto& text : owned.index.take_warnings()) texts.insert(std::move(text));
    for (auto& text : owned.layers.take_warnings()) texts.insert(std::move(text));
    if (owned.remotes)
        for (auto& text : owned.remotes->take_warnings()) texts.insert(std::move(text));
    for (const auto& text : texts) reporter.warning(text);
}

/// Reads what they publish of the build's scopes.
std::unique_ptr<cache::remote::Remotes> open_remotes(OwnedParts& owned, const BuildOptions& options,
                                                     Purpose purpose) {
    if (options.cache_remotes.empty()) return nullptr;
    auto scopes = published_scopes(options, native_platform(), environment);
    return std::make_unique<cache::remote::Remotes>(
        owned.layers, owned.index,
        cache::remote::RemotesOptions{options.cache_remotes, std::move(scopes.own), std::move(scopes.fallbacks),
                                      purpose == Purpose::build});
}

/// Waits for what is left to publish, and says what went over the wire.
void close_remotes(OwnedParts& owned, const BuildOptions& options, Report& report) {
    if (!owned.remotes) return;
    owned.remotes->finish(options.cache_deadline);
    const auto& traffic = owned.remotes->traffic();
    report.totals.remote_requests = traffic.requests;
    report.totals.remote_bytes_read = traffic.bytes_read;
    report.totals.remote_bytes_written = traffic.bytes_written;
}

/// After a build that added to the cache: what is new becomes durable, and the cache keeps its size.
void look_after_cache(OwnedParts& owned, progress::Reporter& reporter) {
    constexpr auto k_time_budget = std::chrono::seconds(2); // the user waits
    const auto tend = [&]() -> Status {
        DBUILD_TRY(owned.layers.flush());
        DBUILD_TRY_ASSIGN(const auto bytes, cache::store::stored_bytes(owned.layers.root()));
        const auto limit = cache::store::default_max_bytes(owned.layers.root(), bytes);
        if (bytes <= limit || owned.layers.catalog().is_private()) return {};
        cache::store::PruneOptions options;
        options.max_bytes = limit;
        options.time_budget = k_time_budget;
        DBUILD_TRY(cache::store::prune(owned.layers, options));
        return {};
    };
    if (const auto done = tend(); !done) reporter.warning("cache: " + done.error().message);
    report_cache_warnings(owned, reporter);
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

/// Why docker has to build it, as far as command line, environment and docker's configuration say; "" if dbuild can.
std::string reason_to_hand_over(const BuildCommandLine& line, const DockerConfig& config, std::string_view context) {
    if (!line.handed_over_because.empty()) return line.handed_over_because;
    const auto builder = line.builder.empty() ? config.installed_builder() : line.builder;
    if (!builder.empty() && builder != context) return "builder " + builder;
    if (wants_legacy_builder())
        return "DOCKER_BUILDKIT=" + environment("DOCKER_BUILDKIT");
    return "";
}

/// Writes the file that a flag names.
Status write_named(std::string_view flag, const std::filesystem::path& path, std::string_view text) {
    auto written = write_file(path, text);
    if (!written) written.error().message = fmt::format("{}: {}", flag, written.error().message);
    return written;
}

bool is_handed_over(const Status& done) {
    return !done && (done.error().kind == ErrorKind::unsupported || done.error().kind == ErrorKind::no_space);
}

/// Errors: besides those of building, unsupported — docker buildx has to build it, and the message says why.
Status execute(BuildCommandLine& line, Purpose purpose, const std::atomic<bool>& cancelled,
               progress::Reporter& reporter, Report& report) {
    auto& options = line.options;
    DBUILD_TRY_ASSIGN(const auto config, read_docker_config());
    auto address = find_engine_address(config);
    if (address) share_with_children(*address, config);
    if (auto reason = reason_to_hand_over(line, config, address ? address->context : ""); !reason.empty())
        return fail(ErrorKind::unsupported, std::move(reason));
    if (!address) return fail(std::move(address).error());
    for (const auto& [name, value] : config.proxy_arguments(address->host))
        options.build_arguments.emplace(name, value);
    if (!options.image_id_file.empty()) { // an old ID must not outlive a failed build
        std::error_code ignored;
        std::filesystem::remove(options.image_id_file, ignored);
    }
    if (purpose != Purpose::build) options.pulls_bases = false; // a plan changes nothing in the engine
    if (options.dockerfile == "-") options.dockerfile_text = std::string(std::istreambuf_iterator<char>(std::cin), {});
    DBUILD_TRY_ASSIGN(auto owned, open_parts(std::move(*address)));
    owned.remotes = open_remotes(owned, options, purpose);
    report_cache_warnings(owned, reporter);
    const auto parts = owned.borrow(reporter, cancelled);
    const auto print_line = [](const std::string& text) { fmt::print("{}\n", text); };
    Status done;
    switch (purpose) {
    case Purpose::build: done = build(parts, options, report); break;
    case Purpose::plan: done = show_plan(parts, options, print_line, report); break;
    case Purpose::explain_as_text: done = explain_plan(parts, options, ExplanationFormat::text, print_line); break;
    case Purpose::explain_as_json: done = explain_plan(parts, options, ExplanationFormat::json, print_line); break;
    }
    report.totals.engine_requests = owned.engine->requests();
    close_remotes(owned, options, report);
    report_cache_warnings(owned, reporter);
    if (report.totals.bytes_written > 0) look_after_cache(owned, reporter);
    DBUILD_TRY(std::move(done));
    if (!options.image_id_file.empty() && !report.images.empty())
        DBUILD_TRY(write_named("--iidfile", options.image_id_file, report.images.front().id));
    if (!options.metadata_file.empty() && !report.images.empty())
        DBUILD_TRY(write_named("--metadata-file", options.metadata_file, metadata_json(report.images.front())));
    return {};
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
    if (format != "text" && format != "json") return fail(ErrorKind::usage, "--format takes text or json, not \"" + format + "\"");
    return run(others, format == "json" ? Purpose::explain_as_json : Purpose::explain_as_text, cancelled);
}

} // namespace dbuild::orchestrator::commands
