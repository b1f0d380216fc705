// SPDX-License-Identifier: Apache-2.0
#include "support/program_socket.hpp"

#include "support/process.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace dbuild {

struct ProgramSocket::Impl {
    std::vector<std::string> command;
    TempDir folder;
    std::filesystem::path path;
    Fd listener, stop; // an eventfd
    std::thread thread;

    Impl(std::vector<std::string> words, TempDir directory)
        : command(std::move(words)), folder(std::move(directory)), path(folder.path() / "socket") {}
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;
    ~Impl() {
        if (!thread.joinable()) return;
        const std::uint64_t one = 1;
        while (::write(stop.get(), &one, sizeof one) < 0 && errno == EINTR) {
        }
        thread.join();
    }

    Status listen() {
        const auto failed = [&] {
            return fail(ErrorKind::unavailable,
                        fmt::format("cannot listen on {}: {}", path.string(), std::strerror(errno)));
        };
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        if (path.native().size() >= sizeof address.sun_path) {
            errno = ENAMETOOLONG;
            return failed();
        }
        std::memcpy(address.sun_path, path.c_str(), path.native().size());
        listener = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        stop = Fd(::eventfd(0, EFD_CLOEXEC));
        if (!listener.is_open() || !stop.is_open() ||
            ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
            ::listen(listener.get(), 16) != 0)
            return failed();
        thread = std::thread([this] { serve(); });
        return {};
    }

    void serve() const {
        std::vector<int> programs;
        while (true) {
            pollfd watched[] = {{listener.get(), POLLIN, 0}, {stop.get(), POLLIN, 0}};
            ::poll(watched, 2, -1);
            if (watched[1].revents) break;
            const Fd peer(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
            if (!peer.is_open()) continue;
            // One that cannot be started closes the connection, which is all that its user can be told.
            if (const auto program = start_on_socket({command}, peer.get())) programs.push_back(*program);
        }
        for (const int program : programs) ::kill(program, SIGTERM);
        for (const int program : programs)
            while (::waitpid(program, nullptr, 0) < 0 && errno == EINTR) {
            }
    }
};

ProgramSocket::ProgramSocket(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ProgramSocket::ProgramSocket(ProgramSocket&&) noexcept = default;
ProgramSocket& ProgramSocket::operator=(ProgramSocket&&) noexcept = default;
ProgramSocket::~ProgramSocket() = default;

Result<ProgramSocket> ProgramSocket::create(std::vector<std::string> command) {
    DBUILD_TRY_ASSIGN(auto folder, TempDir::create("dbuild-socket"));
    auto impl = std::make_unique<Impl>(std::move(command), std::move(folder));
    DBUILD_TRY(impl->listen());
    return ProgramSocket(std::move(impl));
}

const std::filesystem::path& ProgramSocket::path() const { return impl_->path; }

} // namespace dbuild
