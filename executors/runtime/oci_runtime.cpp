// SPDX-License-Identifier: Apache-2.0
#include "executors/runtime/oci_runtime.hpp"

#include "executors/runtime/overlay.hpp"
#include "support/files.hpp"

#include <array>
#include <chrono>
#include <optional>
#include <sys/mount.h>
#include <thread>
#include <utility>

namespace fs = std::filesystem;

namespace dbuild::executors::runtime {
namespace {

constexpr std::array k_runtimes = {"crun", "runc"};         // the first one that is there
constexpr auto k_patience = std::chrono::milliseconds(500); // for a container to become one that can be killed

void ignore_output(std::string_view) {}

std::string container_id(const fs::path& folder) { return "dbuild-" + folder.filename().string(); }
fs::path log_of(const fs::path& folder) { return folder / "log"; }

/// What a runtime remembers, under its name, so that whoever finds the folder knows whom to ask.
fs::path state_of(const std::string& runtime, const fs::path& folder) { return folder / runtime; }

Result<ProcessResult> call(const std::string& runtime, const fs::path& folder, std::vector<std::string> words,
                           const OutputSink& sink = ignore_output, const CancelCheck& is_cancelled = nullptr) {
    words.insert(words.begin(),
                 {runtime, "--root", state_of(runtime, folder), "--log", log_of(folder), "--log-format", "json"});
    ProcessOptions options;
    options.arguments = std::move(words);
    return run_process(options, sink, sink, is_cancelled);
}

/// Where a machine has both versions of cgroups, the second one has no controller that a container needs, but crun
/// refuses to work as long as it sees it. For threads with mounts of their own only.
void hide_second_cgroups() { ::umount2("/sys/fs/cgroup/unified", MNT_DETACH); }

} // namespace

Result<std::string> find_oci_runtime() {
    for (const auto* runtime : k_runtimes)
        if (is_in_path(runtime)) return runtime;
    return fail(ErrorKind::unsupported, "the runtime executor needs crun or runc (Debian: packages of these names)");
}

Result<int> run_container(const std::string& runtime, const fs::path& folder, const OutputSink& on_output,
                          const CancelCheck& is_cancelled) {
    const auto id = container_id(folder);
    std::optional<std::chrono::steady_clock::time_point> cancelled;
    bool is_dead = false;
    // The first process of a container is a PID 1, which takes no SIGTERM; and the runtime cannot kill it before it has
    // written down what it started. Ended before that, it would leave the container alone.
    const auto kill_when_cancelled = [&] {
        if (!is_cancelled || !is_cancelled()) return false;
        const auto now = std::chrono::steady_clock::now();
        if (!cancelled) cancelled = now;
        if (is_dead) return true;
        const auto killed = call(runtime, folder, {"kill", id, "KILL"});
        is_dead = killed && killed->exit_status == 0;
        if (!is_dead && now - *cancelled < k_patience) return false;
        if (!std::exchange(is_dead, true)) end_abandoned_container(folder);
        return true;
    };
    hide_second_cgroups();
    const auto done = call(runtime, folder, {"run", "--bundle", folder / "bundle", id}, on_output, kill_when_cancelled);
    if (!done) {
        end_abandoned_container(folder);
        return fail(done.error());
    }
    if (cancelled && done->exit_status != 0) return fail(ErrorKind::interrupted, "interrupted");
    // The runtime's own failure has no exit status of its own, but only then it has something to say.
    const auto own_words = read_file(log_of(folder));
    if (done->exit_status != 0 && own_words && own_words->find(R"("level":"error")") != own_words->npos)
        return fail(ErrorKind::unsupported, runtime + ": " + *own_words);
    return done->exit_status;
}

void end_abandoned_container(const fs::path& folder) {
    const auto end = [&] {
        if (!enter_private_mounts()) return;
        hide_second_cgroups();
        std::error_code ignored;
        for (const auto* runtime : k_runtimes)
            if (fs::exists(state_of(runtime, folder), ignored))
                (void)call(runtime, folder, {"delete", "--force", container_id(folder)});
    };
    std::thread(end).join();
}

} // namespace dbuild::executors::runtime
