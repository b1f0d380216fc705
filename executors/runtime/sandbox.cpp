// SPDX-License-Identifier: Apache-2.0
#include "executors/runtime/sandbox.hpp"

#include "executors/runtime/cache_mounts.hpp"
#include "executors/runtime/container_spec.hpp"
#include "executors/runtime/mount_points.hpp"
#include "executors/runtime/oci_runtime.hpp"
#include "executors/runtime/overlay.hpp"
#include "executors/runtime/process_user.hpp"
#include "support/files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fcntl.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace fs = std::filesystem;

namespace dbuild::executors::runtime {
namespace {

using cache::oci::FileTree;

constexpr mode_t k_root_mode = 0755;            // where no layer says another
constexpr off_t k_max_account_bytes = 10 << 20; // BuildKit's limit
constexpr std::string_view k_script_folder = "/dev/pipes/";

/// The text of an account file; "" where there is none.
Result<std::string> read_accounts(const RootFolders& root, const fs::path& merged, int merged_fd,
                                  const std::string& path) {
    DBUILD_TRY_ASSIGN(const auto target, follow_links(root.tree, path));
    const Fd file = open_below(merged_fd, target, O_RDONLY | O_NONBLOCK);
    struct stat found {};
    if (!file.is_open() || ::fstat(file.get(), &found) != 0 || !S_ISREG(found.st_mode)) return std::string();
    if (found.st_size > k_max_account_bytes)
        return fail(ErrorKind::step_failed, fmt::format("/{} is larger than 10 MiB", path));
    return read_file(merged / target);
}

/// Everything of one run that happens in the thread with the mounts.
class Sandbox {
public:
    Sandbox(const SandboxRun& run, const OutputSink& on_output, const CancelCheck& is_cancelled)
        : run_(run), on_output_(on_output), is_cancelled_(is_cancelled) {}

    Result<int> execute(const std::function<void()>& on_started) {
        DBUILD_TRY(enter_private_mounts());
        if (run_.network) DBUILD_TRY(run_.network->enter());
        DBUILD_TRY_ASSIGN(container_.root,
                          mount_overlay(run_.folder, run_.root->folders, OverlayChanges::kept_in_upper));
        root_ = Fd(::open(container_.root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        DBUILD_TRY(set_root_attributes());
        MountPoints points(root_.get(), run_.root->tree);
        DBUILD_TRY(prepare(points));
        if (on_started) on_started();
        auto done = run_container(run_.oci_runtime, run_.folder, on_output_, is_cancelled_);
        points.remove_made();
        root_.reset();
        DBUILD_TRY(unmount_overlay(run_.folder));
        return done;
    }

private:
    /// Of the new upper folder's, which this process's umask has a say in: as containerd's overlay snapshotter.
    Status set_root_attributes() {
        const auto* entry = run_.root->tree.find("");
        const auto owner = entry ? entry->uid : 0, group = entry ? entry->gid : 0;
        if (::chown(container_.root.c_str(), static_cast<uid_t>(owner), static_cast<gid_t>(group)) != 0 ||
            ::chmod(container_.root.c_str(), k_root_mode) != 0)
            return fail(ErrorKind::unavailable, "cannot own the root folder of a container");
        return {};
    }

    Status prepare(MountPoints& points) {
        container_.command = run_.command;
        DBUILD_TRY_ASSIGN(const auto passwd, read_accounts(*run_.root, container_.root, root_.get(), "etc/passwd"));
        DBUILD_TRY_ASSIGN(const auto group, read_accounts(*run_.root, container_.root, root_.get(), "etc/group"));
        DBUILD_TRY_ASSIGN(container_.user, find_process_user(run_.command->user, passwd, group));
        for (const auto* folder : {"dev", "proc", "sys"}) {
            const auto* entry = run_.root->tree.find(folder);
            if (entry && entry->type != cache::oci::EntryType::directory)
                return fail(ErrorKind::unsupported, fmt::format("/{} of the image is no folder", folder));
            DBUILD_TRY(points.make(folder, MountPoints::Kind::folder, MountPoints::Stay::for_ever));
        }
        DBUILD_TRY(add_network_files(points));
        const auto own_mounts = std::ssize(container_.mounts);
        DBUILD_TRY(add_working_dir());
        DBUILD_TRY(take_caches());
        for (const auto& mount : run_.command->mounts) DBUILD_TRY(add_mount(mount, points));
        if (!run_.command->script.empty()) DBUILD_TRY(add_script());
        std::stable_sort(container_.mounts.begin() + own_mounts, container_.mounts.end(),
                         [](const auto& a, const auto& b) { return a.destination < b.destination; });
        DBUILD_TRY(make_directories(run_.folder / "bundle"));
        return write_file(run_.folder / "bundle/config.json", container_spec(container_));
    }

    Status add_network_files(MountPoints& points) {
        const auto own = run_.folder / "etc";
        DBUILD_TRY(make_directories(own));
        const auto resolvers = read_file("/etc/resolv.conf");
        DBUILD_TRY(write_file(own / "resolv.conf", resolvers_inside(resolvers ? *resolvers : std::string())));
        DBUILD_TRY(write_file(own / "hosts", "127.0.0.1\tlocalhost buildkitsandbox\n"
                                             "::1\tlocalhost ip6-localhost ip6-loopback\n"));
        for (const auto* name : {"resolv.conf", "hosts"}) {
            const auto target = fmt::format("/etc/{}", name);
            if (::chmod((own / name).c_str(), 0644) != 0) return fail(ErrorKind::unavailable, "cannot make " + target);
            DBUILD_TRY(points.make(target, MountPoints::Kind::file));
            container_.mounts.push_back(
                {target, "bind", (own / name).string(), {"nosuid", "noexec", "nodev", "rbind", "ro"}});
        }
        return {};
    }

    /// A folder that a RUN removed after WORKDIR had made it. It stays, as under BuildKit, and belongs to the user.
    Status add_working_dir() {
        MountPoints folders(root_.get(), run_.root->tree);
        DBUILD_TRY_ASSIGN(const auto path,
                          follow_links(run_.root->tree, cache::oci::clean_path(run_.command->working_dir)));
        for (std::size_t end = 0; end < path.size();) {
            end = std::min(path.find('/', end + 1), path.size());
            const auto folder = path.substr(0, end);
            DBUILD_TRY_ASSIGN(const bool is_new,
                              folders.make(folder, MountPoints::Kind::folder, MountPoints::Stay::for_ever));
            if (is_new && ::lchown((container_.root / folder).c_str(), container_.user.uid, container_.user.gid) != 0)
                return fail(ErrorKind::unavailable, "cannot own " + run_.command->working_dir);
        }
        return {};
    }

    Status add_mount(const CommandMount& mount, MountPoints& points) {
        const std::string access = mount.is_read_only ? "ro" : "rw";
        if (mount.type == CommandMount::Type::bind) return add_bind(mount, points);
        // A tmpfs has the mode of what it covers.
        const bool is_tmpfs = mount.type == CommandMount::Type::tmpfs;
        DBUILD_TRY(points.make(mount.target, is_tmpfs ? MountPoints::Kind::open_folder : MountPoints::Kind::folder));
        if (mount.type == CommandMount::Type::cache) {
            const auto& path = caches_.at(cache_folder_name(mount)).path;
            container_.mounts.push_back({mount.target, "bind", path.string(), {"rbind", access}});
            return {};
        }
        std::vector<std::string> options = {"nosuid", access};
        if (mount.size_bytes) options.push_back(fmt::format("size={}", *mount.size_bytes));
        container_.mounts.push_back({mount.target, "tmpfs", "tmpfs", std::move(options)});
        return {};
    }

    /// Each folder once, or this RUN would wait for itself; in one order for all RUNs, or two would wait for each
    /// other.
    Status take_caches() {
        std::map<std::string, const CommandMount*> wanted;
        for (const auto& mount : run_.command->mounts)
            if (mount.type == CommandMount::Type::cache) wanted.emplace(cache_folder_name(mount), &mount);
        for (const auto& [name, mount] : wanted) {
            DBUILD_TRY_ASSIGN(auto folder, take_cache_folder(run_.cache_mounts, *mount, is_cancelled_));
            caches_.emplace(name, std::move(folder));
        }
        return {};
    }

    Status add_bind(const CommandMount& mount, MountPoints& points) {
        const auto& source = *run_.sources.at(mount.source_name);
        auto& merged = mounted_[mount.source_name];
        if (merged.empty()) {
            const auto folder = run_.folder / fmt::format("source-{}", mounted_.size());
            DBUILD_TRY_ASSIGN(merged, mount_overlay(folder, source.folders, OverlayChanges::refused));
        }
        DBUILD_TRY_ASSIGN(const auto path, follow_links(source.tree, cache::oci::clean_path(mount.source_path)));
        struct stat found {};
        if (::lstat((merged / path).c_str(), &found) != 0)
            return fail(ErrorKind::step_failed, fmt::format("\"/{}\": not found", path));
        DBUILD_TRY(
            points.make(mount.target, S_ISDIR(found.st_mode) ? MountPoints::Kind::folder : MountPoints::Kind::file));
        container_.mounts.push_back({mount.target, "bind", (merged / path).string(), {"rbind", "ro"}});
        return {};
    }

    /// The body of a here-document that names its own interpreter.
    Status add_script() {
        const auto& target = run_.command->arguments.back();
        const auto file = run_.folder / "script";
        DBUILD_TRY(write_file(file, run_.command->script));
        if (!target.starts_with(k_script_folder) || ::chmod(file.c_str(), 0755) != 0)
            return fail(ErrorKind::unsupported, "a script at " + target);
        container_.mounts.push_back({target, "bind", file.string(), {"rbind", "ro"}});
        return {};
    }

    const SandboxRun& run_;
    const OutputSink& on_output_;
    const CancelCheck& is_cancelled_;
    Container container_;
    Fd root_;
    std::map<std::string, CacheFolder> caches_; // by name
    std::map<std::string, fs::path> mounted_;   // sources
};

} // namespace

Result<int> run_in_sandbox(const SandboxRun& run, const std::function<void()>& on_started, const OutputSink& on_output,
                           const CancelCheck& is_cancelled) {
    Result<int> result = fail(ErrorKind::internal, "not run");
    std::thread([&] { result = Sandbox(run, on_output, is_cancelled).execute(on_started); }).join();
    return result;
}

} // namespace dbuild::executors::runtime
