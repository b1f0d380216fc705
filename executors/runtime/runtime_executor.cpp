// SPDX-License-Identifier: Apache-2.0
#include "executors/runtime/runtime_executor.hpp"

#include "cache/oci/byte_source.hpp"
#include "executors/runtime/cache_mounts.hpp"
#include "executors/runtime/layer_folders.hpp"
#include "executors/runtime/sandbox.hpp"
#include "executors/runtime/upper_layer.hpp"
#include "support/environment.hpp"
#include "support/files.hpp"
#include "support/platform.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <fcntl.h>
#include <mutex>
#include <set>
#include <sstream>
#include <sys/file.h>
#include <unistd.h>

namespace fs = std::filesystem;

namespace dbuild::executors::runtime {
namespace {

constexpr std::uint64_t k_max_unpacked_bytes = std::uint64_t{10} << 30;

constexpr std::string_view k_workspace_prefix = "run-";

/// Where one container runs, and its layer stays until it is stored. Locked as long as its process lives.
class Workspace {
public:
    Workspace(fs::path folder, Fd lock) : path(std::move(folder)), lock_(std::move(lock)) {}
    ~Workspace() {
        std::error_code ignored;
        fs::remove_all(path, ignored);
    }
    Workspace(const Workspace&) = delete;
    Workspace& operator=(const Workspace&) = delete;
    const fs::path path;

    static Result<std::shared_ptr<Workspace>> create(const fs::path& folder) {
        auto path = (folder / fmt::format("{}XXXXXX", k_workspace_prefix)).string();
        if (!::mkdtemp(path.data()))
            return fail(ErrorKind::unavailable, fmt::format("cannot make a folder in {}", folder.string()));
        auto lock = try_lock(path);
        if (!lock) return fail(ErrorKind::unavailable, "cannot lock " + path);
        return std::make_shared<Workspace>(path, std::move(*lock));
    }

    /// Ends and removes what dead processes left.
    static Status remove_abandoned(const fs::path& folder) {
        DBUILD_TRY_ASSIGN(const auto paths, list_folder(folder));
        for (const auto& path : paths) {
            if (!path.filename().string().starts_with(k_workspace_prefix)) continue;
            auto lock = try_lock(path);
            if (!lock) continue;
            end_abandoned(path);
            const Workspace removed(path, std::move(*lock));
        }
        return {};
    }

private:
    static std::optional<Fd> try_lock(const fs::path& path) {
        Fd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!folder.is_open() || ::flock(folder.get(), LOCK_EX | LOCK_NB) != 0) return std::nullopt;
        return folder;
    }

    Fd lock_;
};

class RuntimeExecutor final : public Executor {
public:
    RuntimeExecutor(fs::path folder, LayerFolders layers) : folder_(std::move(folder)), layers_(std::move(layers)) {}
    std::string_view name() const override { return "runtime"; }

    Result<SegmentResult> run(const Segment& segment, const SegmentObserver& observer, const LayerReader& read_layer,
                              const CancelCheck& is_cancelled) override {
        DBUILD_TRY_ASSIGN(auto root, join(segment.root, read_layer));
        std::map<std::string, RootFolders> sources;
        for (const auto& source : segment.sources) {
            DBUILD_TRY_ASSIGN(sources[source.name], join(source.root, read_layer));
        }
        if (segment.ignores_engine_cache) DBUILD_TRY(empty_caches(segment));
        SegmentResult result;
        for (std::size_t i = 0; i < segment.steps.size(); ++i) {
            const auto& step = segment.steps[i];
            if (!step.makes_layer) continue;
            if (!step.command) return fail(ErrorKind::internal, "a step for the runtime without a command");
            DBUILD_TRY_ASSIGN(const auto done,
                              run_step(i, *step.command, root, sources, observer, is_cancelled, result));
            if (!done) break;
        }
        return result;
    }

private:
    /// The layers as folders, and what they hold together.
    Result<RootFolders> join(const RootFileSystem& root, const LayerReader& read_layer) {
        RootFolders joined;
        for (const auto& layer : root.layers) {
            DBUILD_TRY_ASSIGN(const auto unpacked, layers_.get(layer, read_layer));
            put_on(joined, unpacked);
        }
        return joined;
    }

    /// As BuildKit does under --no-cache: each cache mount once, before its first use in this process.
    Status empty_caches(const Segment& segment) {
        const std::lock_guard lock(mutex_);
        for (const auto& step : segment.steps) {
            if (!step.command) continue;
            for (const auto& mount : step.command->mounts)
                if (mount.type == CommandMount::Type::cache && emptied_.insert(mount.cache_id).second)
                    DBUILD_TRY(empty_cache_folder(cache_mounts(), mount));
        }
        return {};
    }

    fs::path cache_mounts() const { return folder_ / "cache-mounts"; }

    Result<RootFolders> unpack_source(const CommandMount& mount, const fs::path& folder) {
        const auto tar = folder / (mount.source_name + ".tar");
        DBUILD_TRY_ASSIGN(const auto made, mount.make_source(tar));
        RootFileSystem root;
        root.layers.push_back({made.diff_id, 0, {"", made.diff_id, 0}});
        auto joined = join(
            root, [&](const Digest&, const cache::oci::ByteSink& sink) { return cache::oci::send_file(tar, sink); });
        std::error_code ignored;
        fs::remove(tar, ignored);
        return joined;
    }

    /// Overlayfs takes no folder twice, which the one of the empty layer is most likely to be.
    static void put_on(RootFolders& root, const UnpackedLayer& layer) {
        if (layer.contents->entries.empty()) return;
        root.folders.push_back(layer.folder);
        root.tree.apply(*layer.contents);
    }

    /// Out: whether the next step may follow; if so `root` has this one's changes.
    Result<bool> run_step(std::size_t index, const RunCommand& command, RootFolders& root,
                          const std::map<std::string, RootFolders>& sources, const SegmentObserver& observer,
                          const CancelCheck& is_cancelled, SegmentResult& result) {
        DBUILD_TRY_ASSIGN(auto workspace, Workspace::create(folder_));
        SandboxRun run{workspace->path, &root, &command, {}, cache_mounts()};
        for (const auto& [name, source] : sources) run.sources.emplace(name, &source);
        std::map<std::string, RootFolders> own_sources;
        for (const auto& mount : command.mounts) {
            if (!mount.make_source) continue;
            DBUILD_TRY_ASSIGN(own_sources[mount.source_name], unpack_source(mount, workspace->path));
            run.sources.emplace(mount.source_name, &own_sources[mount.source_name]);
        }
        const auto started = std::chrono::system_clock::now();
        const auto exit = run_in_sandbox(
            run,
            [&] {
                if (observer.on_process_started) observer.on_process_started();
                if (observer.on_started) observer.on_started(index);
            },
            [&](std::string_view bytes) {
                if (observer.on_output) observer.on_output(index, bytes);
            },
            is_cancelled);
        if (!exit && exit.error().kind == ErrorKind::step_failed)
            return result.failure = StepFailure{index, 0, exit.error().message}, false;
        if (!exit) return fail(exit.error());
        result.was_cancelled = exit->was_cancelled;
        if (exit->was_cancelled) return false;
        const auto finished = std::chrono::system_clock::now();
        if (exit->exit_code != 0) {
            result.failure = StepFailure{index, exit->exit_code,
                                         fmt::format("process \"{}\" did not complete successfully: exit code: {}",
                                                     fmt::join(command.arguments, " "), exit->exit_code)};
            return false;
        }
        const auto blob = workspace->path / "layer.tar";
        DBUILD_TRY_ASSIGN(auto layer, write_upper_layer(workspace->path / "upper", root.tree, blob));
        DBUILD_TRY_ASSIGN(const auto kept,
                          layers_.adopt(workspace->path / "upper", layer.written.diff_id, std::move(layer.contents)));
        put_on(root, kept);
        result.layers.push_back({layer.written.diff_id, blob, started, finished});
        keep(result, std::move(workspace));
        if (observer.on_finished) observer.on_finished(index, finished - started, false);
        return true;
    }

    static void keep(SegmentResult& result, std::shared_ptr<Workspace> workspace) {
        using Kept = std::pair<std::shared_ptr<void>, std::shared_ptr<Workspace>>;
        result.files = std::make_shared<Kept>(std::move(result.files), std::move(workspace));
    }

    fs::path folder_;
    LayerFolders layers_;
    std::mutex mutex_;
    std::set<std::string> emptied_; // cache mounts, by id; guarded by mutex_
};

fs::path layers_of(const fs::path& folder) { return folder / "layers"; }

bool is_in_path(const char* program) {
    std::istringstream folders(environment("PATH"));
    for (std::string folder; std::getline(folders, folder, ':');)
        if (::access((fs::path(folder) / program).c_str(), X_OK) == 0) return true;
    return false;
}

} // namespace

Result<std::unique_ptr<Executor>> make_runtime_executor(const fs::path& folder) {
    if (::geteuid() != 0) return fail(ErrorKind::unsupported, "the runtime executor needs to be root");
    if (native_platform() != "linux/amd64")
        return fail(ErrorKind::unsupported, "the runtime executor knows the system calls of linux/amd64 only");
    if (!is_in_path("runc"))
        return fail(ErrorKind::unsupported, "the runtime executor needs runc (Debian: the package runc)");
    DBUILD_TRY(make_directories(folder));
    std::error_code
        error; // what RUNs made for themselves, set-user-ID programs among it, is for nobody on this machine
    fs::permissions(folder, fs::perms::owner_all, error);
    if (error) return fail(ErrorKind::unsupported, fmt::format("cannot own {}: {}", folder.string(), error.message()));
    DBUILD_TRY(Workspace::remove_abandoned(folder));
    DBUILD_TRY_ASSIGN(auto layers, LayerFolders::open(layers_of(folder), k_max_unpacked_bytes));
    return std::make_unique<RuntimeExecutor>(folder, std::move(layers));
}

Status shrink_unpacked_layers(const fs::path& folder, std::uint64_t max_bytes) {
    std::error_code ignored;
    if (!fs::exists(layers_of(folder), ignored)) return {};
    const auto shrunk = LayerFolders::open(layers_of(folder), max_bytes); // shrinks when it ends
    return shrunk ? Status{} : fail(shrunk.error());
}

} // namespace dbuild::executors::runtime
