// SPDX-License-Identifier: Apache-2.0
#include "executors/runtime/runc.hpp"

#include "support/files.hpp"

#include <utility>

namespace fs = std::filesystem;

namespace dbuild::executors::runtime {
namespace {

void ignore_output(std::string_view) {}

std::string container_id(const fs::path& folder) { return "dbuild-" + folder.filename().string(); }
fs::path state_of(const fs::path& folder) { return folder / "state"; }
fs::path log_of(const fs::path& folder) { return folder / "log"; }

Result<ProcessResult> runc(const fs::path& folder, std::vector<std::string> words,
                           const OutputSink& sink = ignore_output, const CancelCheck& is_cancelled = nullptr) {
    words.insert(words.begin(), {k_runc, "--root", state_of(folder), "--log", log_of(folder), "--log-format", "json"});
    ProcessOptions options;
    options.arguments = std::move(words);
    return run_process(options, sink, sink, is_cancelled);
}

} // namespace

Result<int> run_container(const fs::path& folder, const OutputSink& on_output, const CancelCheck& is_cancelled) {
    const auto id = container_id(folder);
    bool was_killed = false;
    const auto kill_when_cancelled = [&] {
        if (!is_cancelled || !is_cancelled()) return false;
        // The first process of a container is a PID 1, which takes no SIGTERM. Where there is none yet, runc ends.
        if (!std::exchange(was_killed, true)) (void)runc(folder, {"kill", id, "KILL"});
        return true;
    };
    const auto done = runc(folder, {"run", "--bundle", folder / "bundle", id}, on_output, kill_when_cancelled);
    if (!done) {
        end_abandoned_container(folder);
        return fail(done.error());
    }
    if (was_killed) return fail(ErrorKind::interrupted, "interrupted");
    // Its own failure has no exit status of its own, but only then it has something to say.
    const auto own_words = read_file(log_of(folder));
    if (done->exit_status != 0 && own_words && own_words->find(R"("level":"error")") != own_words->npos)
        return fail(ErrorKind::unsupported, *own_words);
    return done->exit_status;
}

void end_abandoned_container(const fs::path& folder) {
    if (fs::exists(state_of(folder))) (void)runc(folder, {"delete", "--force", container_id(folder)});
}

} // namespace dbuild::executors::runtime
