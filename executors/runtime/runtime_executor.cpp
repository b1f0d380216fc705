// SPDX-License-Identifier: Apache-2.0
#include "executors/runtime/runtime_executor.hpp"

#include "executors/runtime/cache_mounts.hpp"
#include "executors/runtime/layer_folder.hpp"
#include "executors/runtime/layer_folders.hpp"
#include "executors/runtime/network.hpp"
#include "executors/runtime/oci_runtime.hpp"
#include "executors/runtime/overlay.hpp"
#include "executors/runtime/sandbox.hpp"
#include "executors/runtime/upper_layer.hpp"
#include "executors/runtime/workspace.hpp"
#include "support/files.hpp"
#include "support/platform.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <unistd.h>

namespace fs = std::filesystem;

namespace dbuild::executors::runtime {
namespace {

constexpr std::uint64_t k_max_unpacked_bytes = std::uint64_t{10} << 30;
constexpr auto k_max_unused = std::chrono::hours(24 * 30); // of a cache mount

fs::path layers_of(const fs::path& folder) { return folder / "layers"; }
fs::path cache_mounts_of(const fs::path& folder) { return folder / "cache-mounts"; }

/// What the first RUN of a process needs, and no build in which nothing is missing.
struct Opened {
    Opened(LayerFolders of_cache, std::shared_ptr<Workspace> of_process)
        : layers(std::move(of_cache)), own(std::move(of_process)), networks(own->path) {}
    LayerFolders layers;
    std::shared_ptr<Workspace> own;
    Networks networks;
};

/// Who is root may yet have no right to mount anything, or be on a file system that overlayfs cannot write to.
Status try_mounts(const fs::path& folder) {
    Status tried;
    std::thread([&] {
        tried = enter_private_mounts();
        if (!tried) return;
        if (const auto mounted = mount_overlay(folder, {}, OverlayChanges::kept_in_upper); !mounted)
            tried = fail(mounted.error());
    }).join();
    return tried;
}

Result<std::unique_ptr<Opened>> open(const fs::path& folder) {
    DBUILD_TRY(make_directories(folder));
    // What RUNs made for themselves, set-user-ID programs among it, is for nobody on this machine.
    std::error_code error;
    fs::permissions(folder, fs::perms::owner_all, error);
    if (error) return fail(ErrorKind::unsupported, fmt::format("cannot own {}: {}", folder.string(), error.message()));
    spread_folders_of(folder);
    DBUILD_TRY(Workspace::remove_abandoned(folder));
    DBUILD_TRY_ASSIGN(auto layers, LayerFolders::open(layers_of(folder), k_max_unpacked_bytes));
    DBUILD_TRY_ASSIGN(auto own, Workspace::create(folder));
    DBUILD_TRY(try_mounts(own->path / "tried"));
    auto opened = std::make_unique<Opened>(std::move(layers), std::move(own));
    DBUILD_TRY(opened->networks.take(nullptr)); // the first RUN takes it again
    return opened;
}

class RuntimeExecutor final : public Executor {
public:
    RuntimeExecutor(fs::path folder, std::string oci_runtime)
        : folder_(std::move(folder)), oci_runtime_(std::move(oci_runtime)) {}
    ~RuntimeExecutor() override {
        if (opening_ && *opening_)
            (void)prune_cache_folders(cache_mounts_of(folder_), {std::nullopt, k_max_unused}, false);
    }
    std::string_view name() const override { return "runtime"; }

    bool is_usable() const override {
        const std::lock_guard lock(mutex_);
        return !opening_ || *opening_;
    }

    Result<SegmentResult> run(const Segment& segment, const SegmentObserver& observer, const LayerReader& read_layer,
                              const CancelCheck& is_cancelled) override {
        DBUILD_TRY(open_once());
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

    Result<cache::oci::LayerScan> look_into(const cache::oci::ByteSource& blob) override {
        DBUILD_TRY(open_once());
        return opened().layers.take(blob);
    }

private:
    /// What does not work once is not tried again.
    Status open_once() {
        const std::lock_guard lock(mutex_);
        if (!opening_) opening_ = open(folder_);
        return *opening_ ? Status{} : fail(ErrorKind::unsupported, opening_->error().message);
    }
    Opened& opened() { return ***opening_; } // by whom open_once() has told so

    /// The layers as folders, and what they hold together.
    Result<RootFolders> join(const RootFileSystem& root, const LayerReader& read_layer) {
        RootFolders joined;
        for (const auto& layer : root.layers) {
            DBUILD_TRY_ASSIGN(const auto unpacked, opened().layers.get(layer, read_layer));
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
                    DBUILD_TRY(empty_cache_folder(cache_mounts_of(folder_), mount));
        }
        return {};
    }

    /// Not kept: files of the build context are read as fast again.
    static Result<RootFolders> make_source(const CommandMount& mount, const fs::path& folder) {
        DBUILD_TRY(make_directories(folder));
        DBUILD_TRY_ASSIGN(const auto contents, make_layer_folder(mount.send_source, folder));
        RootFolders source{{folder}, {}};
        source.tree.apply(contents);
        return source;
    }

    /// Overlayfs takes no folder twice. What the lower one of two says of a path, the upper one says again.
    static void put_on(RootFolders& root, const UnpackedLayer& layer) {
        std::erase(root.folders, layer.folder);
        root.folders.push_back(layer.folder);
        root.tree.apply(*layer.contents);
    }

    /// Out: whether the next step may follow; if so `root` has this one's changes.
    Result<bool> run_step(std::size_t index, const RunCommand& command, RootFolders& root,
                          const std::map<std::string, RootFolders>& sources, const SegmentObserver& observer,
                          const CancelCheck& is_cancelled, SegmentResult& result) {
        DBUILD_TRY_ASSIGN(auto workspace, Workspace::create(folder_));
        SandboxRun run{oci_runtime_, workspace->path, &root, &command, {}, cache_mounts_of(folder_), nullptr};
        Networks::Lent network;
        if (command.has_network) {
            auto taken = opened().networks.take(is_cancelled);
            if (!taken && taken.error().kind == ErrorKind::interrupted) return result.was_cancelled = true, false;
            if (!taken) return fail(taken.error());
            network = std::move(*taken);
            run.network = network.get();
        }
        for (const auto& [name, source] : sources) run.sources.emplace(name, &source);
        std::map<std::string, RootFolders> own_sources;
        for (const auto& mount : command.mounts) {
            if (!mount.send_source) continue;
            DBUILD_TRY_ASSIGN(own_sources[mount.source_name], make_source(mount, workspace->path / mount.source_name));
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
        // Neither its failure nor its success says anything then.
        if (network && !network->is_served_for({}))
            return fail(ErrorKind::unsupported, "the network of a RUN has ended");
        if (!exit && exit.error().kind == ErrorKind::step_failed)
            return result.failure = StepFailure{index, 0, exit.error().message}, false;
        if (!exit && exit.error().kind == ErrorKind::interrupted) return result.was_cancelled = true, false;
        if (!exit) return fail(exit.error());
        const auto finished = std::chrono::system_clock::now();
        if (*exit != 0) {
            result.failure = StepFailure{index, *exit,
                                         fmt::format("process \"{}\" did not complete successfully: exit code: {}",
                                                     fmt::join(command.arguments, " "), *exit)};
            return false;
        }
        const auto blob = workspace->path / "layer.tar";
        DBUILD_TRY_ASSIGN(auto layer, write_upper_layer(workspace->path / "upper", root.tree, blob));
        DBUILD_TRY_ASSIGN(const auto kept,
                          opened().layers.adopt(workspace->path / "upper", layer.diff_id, layer.contents));
        put_on(root, kept);
        const auto diff_id = layer.diff_id;
        auto scan = std::make_shared<const cache::oci::LayerScan>(std::move(layer));
        result.layers.push_back({diff_id, blob, started, finished, std::move(scan)});
        keep(result, std::move(workspace));
        if (observer.on_finished) observer.on_finished(index, finished - started, false);
        return true;
    }

    static void keep(SegmentResult& result, std::shared_ptr<Workspace> workspace) {
        using Kept = std::pair<std::shared_ptr<void>, std::shared_ptr<Workspace>>;
        result.files = std::make_shared<Kept>(std::move(result.files), std::move(workspace));
    }

    fs::path folder_;
    std::string oci_runtime_; // its name
    mutable std::mutex mutex_;
    std::optional<Result<std::unique_ptr<Opened>>> opening_; // set once, under mutex_
    std::set<std::string> emptied_;                          // cache mounts, by id; guarded by mutex_
};

} // namespace

Result<std::unique_ptr<Executor>> make_runtime_executor(const fs::path& folder) {
    if (::geteuid() != 0) return fail(ErrorKind::unsupported, "the runtime executor needs to be root");
    if (native_platform() != "linux/amd64")
        return fail(ErrorKind::unsupported, "the runtime executor knows the system calls of linux/amd64 only");
    DBUILD_TRY_ASSIGN(auto oci_runtime, find_oci_runtime());
    if (!is_in_path(k_pasta) || !is_in_path(k_setpriv))
        return fail(ErrorKind::unsupported, "the runtime executor needs pasta and setpriv (Debian: passt, util-linux)");
    return std::make_unique<RuntimeExecutor>(fs::absolute(folder), std::move(oci_runtime));
}

Result<FolderUse> folder_use(const fs::path& folder) {
    FolderUse use;
    DBUILD_TRY_ASSIGN(use.unpacked_layers, unpacked_bytes(layers_of(folder)));
    DBUILD_TRY_ASSIGN(use.cache_mounts, cache_folder_bytes(cache_mounts_of(folder)));
    return use;
}

Result<std::size_t> prune_folder(const fs::path& folder, const FolderLimits& limits) {
    std::error_code ignored;
    if (limits.max_bytes && !limits.is_dry_run && fs::exists(layers_of(folder), ignored))
        DBUILD_TRY(LayerFolders::open(layers_of(folder), *limits.max_bytes)); // shrinks when it ends
    return prune_cache_folders(cache_mounts_of(folder), {limits.max_bytes, limits.max_age}, limits.is_dry_run);
}

} // namespace dbuild::executors::runtime
