// SPDX-License-Identifier: Apache-2.0
// posix_spawn instead of Boost.Process: one thread has to drain two pipes, watch the cancel flag and own a process
// group, which Boost 1.81 offers only through an event loop.
#include "support/process.hpp"

#include "support/environment.hpp"
#include "support/files.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sstream>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace dbuild {
namespace {

constexpr auto k_grace = std::chrono::seconds(2); // between SIGTERM and SIGKILL
constexpr int k_poll_ms = 100;                    // how soon a cancel is seen

struct Pipe {
    Fd read_end, write_end;
};

Result<Pipe> make_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        return fail(ErrorKind::unavailable, std::string("cannot make a pipe: ") + std::strerror(errno));
    return Pipe{Fd(ends[0]), Fd(ends[1])};
}

/// Standard input as a file and no pipe: nobody has to feed it while the program runs.
Result<Fd> file_with(std::string_view bytes) {
    Fd file(::memfd_create("standard input", MFD_CLOEXEC));
    if (!file.is_open())
        return fail(ErrorKind::unavailable, std::string("cannot keep standard input: ") + std::strerror(errno));
    DBUILD_TRY(write_all(file.get(), bytes, "standard input"));
    ::lseek(file.get(), 0, SEEK_SET);
    return file;
}

struct SpawnSettings {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    SpawnSettings() {
        posix_spawn_file_actions_init(&actions);
        posix_spawnattr_init(&attributes);
    }
    ~SpawnSettings() {
        posix_spawn_file_actions_destroy(&actions);
        posix_spawnattr_destroy(&attributes);
    }
    SpawnSettings(const SpawnSettings&) = delete;
    SpawnSettings& operator=(const SpawnSettings&) = delete;
};

/// In: own — NAME=VALUE each, instead of what this process has under these names.
std::vector<char*> environment_with(const std::vector<std::string>& own) {
    std::vector<char*> words;
    for (const auto& word : own) words.push_back(const_cast<char*>(word.c_str()));
    const auto is_given = [&](std::string_view word) {
        const auto name = word.substr(0, word.find('=') + 1);
        return std::any_of(own.begin(), own.end(), [&](const auto& given) { return given.starts_with(name); });
    };
    for (char** word = environ; *word;
         ++word) // a name twice is read by some programs as the first, by others as the last
        if (!is_given(*word)) words.push_back(*word);
    words.push_back(nullptr);
    return words;
}

Result<pid_t> spawn(const ProcessOptions& options, SpawnSettings& settings, short flags) {
    std::vector<char*> words;
    for (const auto& argument : options.arguments) words.push_back(const_cast<char*>(argument.c_str()));
    words.push_back(nullptr);
    sigset_t defaults; // an ignored SIGPIPE would be inherited
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_setsigdefault(&settings.attributes, &defaults);
    posix_spawnattr_setflags(&settings.attributes, static_cast<short>(flags | POSIX_SPAWN_SETSIGDEF));
    pid_t pid = 0;
    const int error = ::posix_spawnp(&pid, words[0], &settings.actions, &settings.attributes, words.data(),
                                     environment_with(options.environment).data());
    if (error != 0)
        return fail(ErrorKind::unavailable, "cannot start " + options.arguments[0] + ": " + std::strerror(error));
    return pid;
}

ProcessResult to_result(int status) { return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)}; }

ProcessResult wait_for(pid_t pid) {
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return to_result(status);
}

/// It can still be waited for.
bool has_ended(pid_t pid) {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
}

/// Ends the process group step by step as long as it is told to.
class Canceller {
public:
    Canceller(pid_t group, const CancelCheck& is_cancelled) : group_(group), is_cancelled_(is_cancelled) {}
    void tick() {
        if (!is_cancelled_ || !is_cancelled_()) return;
        const auto now = std::chrono::steady_clock::now();
        if (!was_cancelled_) {
            ::kill(-group_, SIGTERM);
            deadline_ = now + k_grace;
        } else if (now >= deadline_) {
            ::kill(-group_, SIGKILL);
        }
        was_cancelled_ = true;
    }
    bool was_cancelled() const { return was_cancelled_; }
    bool is_over() const { return was_cancelled_ && std::chrono::steady_clock::now() >= deadline_; }

private:
    pid_t group_;
    const CancelCheck& is_cancelled_;
    bool was_cancelled_ = false;
    std::chrono::steady_clock::time_point deadline_;
};

} // namespace

bool is_in_path(const std::string& program) {
    std::istringstream folders(environment("PATH"));
    for (std::string folder; std::getline(folders, folder, ':');)
        if (::access((folder + "/" + program).c_str(), X_OK) == 0) return true;
    return false;
}

Result<ProcessResult> run_process(const ProcessOptions& options, const OutputSink& on_stdout,
                                  const OutputSink& on_stderr, const CancelCheck& is_cancelled) {
    DBUILD_TRY_ASSIGN(auto out, make_pipe());
    DBUILD_TRY_ASSIGN(auto err, make_pipe());
    SpawnSettings settings;
    Fd input;
    if (options.input.empty()) {
        posix_spawn_file_actions_addopen(&settings.actions, 0, "/dev/null", O_RDONLY, 0);
    } else {
        DBUILD_TRY_ASSIGN(input, file_with(options.input));
        posix_spawn_file_actions_adddup2(&settings.actions, input.get(), 0);
    }
    posix_spawn_file_actions_adddup2(&settings.actions, out.write_end.get(), 1);
    posix_spawn_file_actions_adddup2(&settings.actions, err.write_end.get(), 2);
    posix_spawnattr_setpgroup(&settings.attributes, 0);
    DBUILD_TRY_ASSIGN(const pid_t pid, spawn(options, settings, POSIX_SPAWN_SETPGROUP));
    out.write_end.reset();
    err.write_end.reset();
    Canceller canceller(pid, is_cancelled);
    struct Stream {
        Fd* fd;
        const OutputSink* sink;
    };
    const std::array<Stream, 2> streams = {Stream{&out.read_end, &on_stdout}, Stream{&err.read_end, &on_stderr}};
    std::string buffer(65536, '\0');
    while (out.read_end.is_open() || err.read_end.is_open()) {
        std::array<pollfd, 2> watched = {pollfd{out.read_end.get(), POLLIN, 0}, pollfd{err.read_end.get(), POLLIN, 0}};
        const int ready =
            ::poll(watched.data(), watched.size(), k_poll_ms); // a closed one is -1, which poll leaves alone
        canceller.tick();
        // Who else has the streams then, and keeps them open, is not waited for.
        if (canceller.was_cancelled() && (ready == 0 || canceller.is_over()) && has_ended(pid)) break;
        for (std::size_t i = 0; i < streams.size(); ++i) {
            if (watched[i].revents == 0) continue;
            const auto count = ::read(watched[i].fd, buffer.data(), buffer.size());
            if (count > 0)
                (*streams[i].sink)({buffer.data(), static_cast<std::size_t>(count)});
            else if (count == 0 || errno != EINTR)
                streams[i].fd->reset();
        }
    }
    const auto result = wait_for(pid);
    if (canceller.was_cancelled()) return fail(ErrorKind::interrupted, "interrupted");
    return result;
}

Result<ProcessResult> run_inherited(const ProcessOptions& options, const std::optional<std::string>& input,
                                    const CancelCheck& is_cancelled) {
    SpawnSettings settings;
    Fd file;
    if (input) {
        DBUILD_TRY_ASSIGN(file, file_with(*input));
        posix_spawn_file_actions_adddup2(&settings.actions, file.get(), 0);
    }
    DBUILD_TRY_ASSIGN(const pid_t pid, spawn(options, settings, 0));
    // A signal may come at any moment, so waiting is in short turns; a pidfd ends the last one at once.
    const Fd watched(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    bool was_told = false;
    while (true) {
        int status = 0;
        if (::waitpid(pid, &status, WNOHANG) == pid) return to_result(status);
        if (!was_told && is_cancelled && is_cancelled()) {
            ::kill(pid, SIGTERM);
            was_told = true;
        }
        pollfd entry{watched.get(), POLLIN, 0};
        ::poll(&entry, 1, k_poll_ms);
    }
}

Result<int> start_on_socket(const ProcessOptions& options, int socket) {
    SpawnSettings settings;
    posix_spawn_file_actions_adddup2(&settings.actions, socket, 0);
    posix_spawn_file_actions_adddup2(&settings.actions, socket, 1);
    return spawn(options, settings, 0);
}

} // namespace dbuild
