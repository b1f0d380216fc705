// SPDX-License-Identifier: Apache-2.0
#include "executors/runtime/network.hpp"

#include "executors/runtime/overlay.hpp"
#include "support/process.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <sched.h>
#include <sstream>
#include <sys/mount.h>
#include <unistd.h>

namespace fs = std::filesystem;

namespace dbuild::executors::runtime {
namespace {

constexpr auto k_poll = std::chrono::milliseconds(1);
constexpr auto k_patience = std::chrono::seconds(10); // it takes some 30 ms
constexpr const char* k_own_network = "/proc/thread-self/ns/net";
constexpr std::string_view k_resolver = "169.254.1.1"; // as seen from inside; link-local, so nobody else's

tl::unexpected<Error> call_failure(std::string_view what) {
    return fail(ErrorKind::unsupported, fmt::format("cannot {}: {}", what, std::strerror(errno)));
}

/// Makes a new network namespace that has a name in the file system. pasta, which gives up its privileges, opens it by
/// that, and only in the mount namespace of the calling thread it has one.
Result<Fd> make_namespace(const fs::path& name) {
    DBUILD_TRY(enter_private_mounts());
    DBUILD_TRY(write_file(name, ""));
    const Fd own(::open(k_own_network, O_RDONLY | O_CLOEXEC));
    if (!own.is_open() || ::unshare(CLONE_NEWNET) != 0) return call_failure("make a network namespace");
    Fd made(::open(k_own_network, O_RDONLY | O_CLOEXEC));
    const bool is_named = ::mount(k_own_network, name.c_str(), nullptr, MS_BIND, nullptr) == 0;
    if (::setns(own.get(), CLONE_NEWNET) != 0 || !is_named || !made.is_open())
        return call_failure("name a network namespace");
    return made;
}

std::vector<std::string> pasta_words(const fs::path& name, const fs::path& pid_file) {
    // It ends with the thread that starts it, so with this process at the latest. Nothing listens outside for what is
    // inside, and this machine's loop-back interface is not what a gateway's address leads to.
    return {k_setpriv, "--pdeathsig",  "KILL",          k_pasta,
            "--quiet", "--foreground", "--config-net",  "--runas",
            "0",       "-t",           "none",          "-u",
            "none",    "-T",           "none",          "-U",
            "none",    "--no-map-gw",  "--dns-forward", std::string(k_resolver),
            "--pid",   pid_file,       "--netns",       name};
}

std::optional<pid_t> read_pid(const fs::path& file) {
    const auto text = read_file(file);
    pid_t pid = 0;
    if (!text || text->empty() || std::from_chars(text->data(), text->data() + text->size(), pid).ec != std::errc())
        return std::nullopt;
    return pid;
}

} // namespace

Result<std::unique_ptr<Network>> Network::open(const fs::path& name, const CancelCheck& is_cancelled) {
    auto network = std::make_unique<Network>();
    std::promise<Result<Fd>> made;
    std::promise<std::string> ended;
    auto making = made.get_future();
    network->end_ = ended.get_future();
    const auto pid_file = fs::path(name).concat(".pid");
    const auto& is_given_up = network->is_given_up_;
    network->serving_ =
        std::thread([name, pid_file, &is_given_up, made = std::move(made), ended = std::move(ended)]() mutable {
            auto space = make_namespace(name);
            const bool is_made = space.has_value();
            made.set_value(std::move(space));
            std::string words;
            if (is_made) {
                const auto collect = [&](std::string_view bytes) { words += bytes; };
                ProcessOptions pasta;
                pasta.arguments = pasta_words(name, pid_file);
                const auto done = run_process(pasta, collect, collect, [&] { return is_given_up.load(); });
                if (!done) words = done.error().message;
            }
            ended.set_value(std::move(words));
        });
    DBUILD_TRY_ASSIGN(network->namespace_, making.get());
    const auto deadline = std::chrono::steady_clock::now() + k_patience;
    while (!(network->pasta_ = read_pid(pid_file))) { // written when all is set up
        if (!network->is_served_for(k_poll))
            return fail(ErrorKind::unsupported, "no network by pasta: " + network->end_.get());
        const bool is_interrupted = is_cancelled && is_cancelled();
        if (!is_interrupted && std::chrono::steady_clock::now() < deadline) continue;
        network->is_given_up_ = true;
        return is_interrupted ? fail(ErrorKind::interrupted, "interrupted")
                              : fail(ErrorKind::unsupported, "no network by pasta, which does not get ready");
    }
    return network;
}

Network::~Network() {
    if (pasta_ && is_served_for({})) ::kill(*pasta_, SIGKILL);
    if (serving_.joinable()) serving_.join();
}

bool Network::is_served_for(std::chrono::milliseconds time) const {
    return end_.wait_for(time) != std::future_status::ready;
}

Status Network::enter() const {
    if (::setns(namespace_.get(), CLONE_NEWNET) != 0) return call_failure("enter a network namespace");
    return {};
}

Result<Networks::Lent> Networks::take(const CancelCheck& is_cancelled) {
    const auto give_back = [this](Network* network) {
        const std::lock_guard lock(mutex_);
        idle_.emplace_back(network);
    };
    int number = 0;
    {
        const std::lock_guard lock(mutex_);
        while (!idle_.empty()) {
            auto network = std::move(idle_.back());
            idle_.pop_back();
            if (network->is_served_for({})) return Lent(network.release(), give_back);
        }
        number = made_++;
    }
    DBUILD_TRY_ASSIGN(auto network, Network::open(folder_ / fmt::format("network-{}", number), is_cancelled));
    return Lent(network.release(), give_back);
}

std::string resolvers_inside(std::string_view text) {
    std::istringstream lines{std::string(text)};
    std::string inside;
    bool has_resolver = false;
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string keyword, address;
        words >> keyword >> address;
        const bool is_resolver = keyword == "nameserver";
        if (is_resolver && (address.starts_with("127.") || address == "::1")) continue;
        has_resolver = has_resolver || is_resolver;
        inside += line + "\n";
    }
    // None at all means the loop-back interface's, resolv.conf(5).
    if (!has_resolver) inside += fmt::format("nameserver {}\n", k_resolver);
    return inside;
}

} // namespace dbuild::executors::runtime
