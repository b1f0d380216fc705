// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/image_build.hpp"

#include "cache/remote/remotes.hpp"
#include "cache/store/catalog.hpp"
#include "cache/store/prune.hpp"
#include "executors/runtime/runtime_executor.hpp"
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

namespace dbuild::orchestrator {
namespace {

/// Cache trouble costs a line, never a build. What two parts of the cache met with is said once, be it at different
/// times.
class CacheWarnings {
public:
    void report(OwnedParts& owned, progress::Reporter& reporter) {
        tell(owned.index.take_warnings(), reporter);
        tell(owned.layers.take_warnings(), reporter);
        if (owned.remotes) tell(owned.remotes->take_warnings(), reporter);
    }

private:
    void tell(const std::vector<std::string>& texts, progress::Reporter& reporter) {
        for (const auto& text : texts)
            if (told_.insert(text).second) reporter.warning(text);
    }

    std::set<std::string> told_;
};

/// Reads what they publish of the build's scopes.
std::unique_ptr<cache::remote::Remotes> open_remotes(OwnedParts& owned, const BuildOptions& options, EngineUse use) {
    if (options.cache_remotes.empty()) return nullptr;
    auto scopes = published_scopes(options, native_platform(), environment);
    return std::make_unique<cache::remote::Remotes>(
        owned.layers, owned.index,
        cache::remote::RemotesOptions{options.cache_remotes, std::move(scopes.own), std::move(scopes.fallbacks),
                                      use == EngineUse::build});
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
void look_after_cache(OwnedParts& owned, CacheWarnings& warnings, progress::Reporter& reporter) {
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
    Status done = tend();
    if (!done && done.error().kind == ErrorKind::corrupt) done = tend(); // on a new index, which has its own warning
    if (!done) reporter.warning("cache: " + done.error().message);
    warnings.report(owned, reporter);
}

/// Why docker has to build it, as far as command line, environment and docker's configuration say; "" if dbuild can.
std::string reason_to_hand_over(const BuildCommandLine& line, const DockerConfig& config, std::string_view context) {
    if (!line.handed_over_because.empty()) return line.handed_over_because;
    const auto builder = line.builder.empty() ? config.installed_builder() : line.builder;
    if (!builder.empty() && builder != context) return "builder " + builder;
    if (wants_legacy_builder()) return "DOCKER_BUILDKIT=" + environment("DOCKER_BUILDKIT");
    return "";
}

/// Writes the file that a flag names.
Status write_named(std::string_view flag, const std::filesystem::path& path, std::string_view text) {
    auto written = write_file(path, text);
    if (!written) written.error().message = fmt::format("{}: {}", flag, written.error().message);
    return written;
}

/// Null: docker buildx runs what must run. Whoever points to an engine elsewhere wants it done there.
std::unique_ptr<executors::Executor> choose_runtime(ExecutorKind kind, const EngineAddress& engine,
                                                    const OwnedParts& owned, progress::Reporter& reporter) {
    const bool is_asked_for = kind == ExecutorKind::runtime;
    const bool is_chosen = kind == ExecutorKind::automatic && engine.host.starts_with("unix://");
    if (!is_asked_for && !is_chosen) return nullptr;
    auto runtime =
        executors::runtime::make_runtime_executor(owned.layers.root() / executors::runtime::k_runtime_folder);
    if (runtime) return std::move(*runtime);
    if (is_asked_for) reporter.warning(runtime.error().message + "; docker buildx runs what must run");
    return nullptr;
}

} // namespace

Result<Machine> find_machine() {
    Machine machine;
    DBUILD_TRY_ASSIGN(machine.config, read_docker_config());
    machine.address = find_engine_address(machine.config);
    if (machine.address) share_with_children(*machine.address, machine.config);
    return machine;
}

Status build_image(const Machine& machine, const BuildCommandLine& line, const ImageWork& work, Report& report) {
    auto options = line.options;
    const auto& address = machine.address;
    if (auto reason = reason_to_hand_over(line, machine.config, address ? address->context : ""); !reason.empty())
        return fail(ErrorKind::unsupported, std::move(reason));
    if (!address) return fail(address.error());
    for (const auto& [name, value] : machine.config.proxy_arguments(address->host))
        options.build_arguments.emplace(name, value);
    if (!options.image_id_file.empty()) { // an old ID must not outlive a failed build
        std::error_code ignored;
        std::filesystem::remove(options.image_id_file, ignored);
    }
    if (work.use != EngineUse::build) options.pulls_bases = false; // a plan changes nothing in the engine
    DBUILD_TRY_ASSIGN(auto owned, open_parts(machine.config, *address));
    if (work.use == EngineUse::build) owned.runtime = choose_runtime(line.executor, *address, owned, *work.reporter);
    owned.remotes = open_remotes(owned, options, work.use);
    CacheWarnings warnings;
    warnings.report(owned, *work.reporter);
    const auto parts = owned.borrow(*work.reporter, *work.cancelled);
    Status done = work.run(parts, options);
    report.totals.engine_requests = owned.engine->requests();
    close_remotes(owned, options, report);
    warnings.report(owned, *work.reporter);
    if (report.totals.bytes_written > 0) look_after_cache(owned, warnings, *work.reporter);
    DBUILD_TRY(std::move(done));
    if (!options.image_id_file.empty() && !report.images.empty())
        DBUILD_TRY(write_named("--iidfile", options.image_id_file, report.images.front().id));
    if (!options.metadata_file.empty() && !report.images.empty())
        DBUILD_TRY(write_named("--metadata-file", options.metadata_file, metadata_json(report.images.front())));
    return {};
}

} // namespace dbuild::orchestrator
