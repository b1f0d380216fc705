// SPDX-License-Identifier: Apache-2.0
// The networks of RUNs: each RUN has interfaces, ports and abstract sockets of its own and reaches what this machine
// reaches, but no service that listens on this machine's loop-back interface. pasta(1) passes connections on, as it
// does for podman's containers. As BuildKit's, a network is used again by a later RUN when one has ended.
#pragma once

#include "support/files.hpp"
#include "support/process.hpp"
#include "support/result.hpp"

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace dbuild::executors::runtime {

inline constexpr const char *k_pasta = "pasta", *k_setpriv = "setpriv"; // looked up in the PATH

/// A network namespace, and the pasta that serves it, which a thread waits for.
class Network {
public:
    /// In:     name — a path where nothing is; so is the same with ".pid".
    /// Errors: unsupported — pasta does not start, in its own words; interrupted; unavailable.
    static Result<std::unique_ptr<Network>> open(const std::filesystem::path& name, const CancelCheck& is_cancelled);
    Network() = default;
    ~Network();
    Network(const Network&) = delete;
    Network& operator=(const Network&) = delete;

    /// Puts the calling thread, and the programs that it starts, into the network. Errors: unsupported.
    Status enter() const;

    /// Whether pasta is still there when the time is over.
    bool is_served_for(std::chrono::milliseconds time) const;

private:
    Fd namespace_;
    std::optional<int> pasta_;     // its process ID
    std::future<std::string> end_; // pasta's last words
    std::atomic<bool> is_given_up_ = false;
    std::thread serving_;
};

/// Threads: any number of calls at once. Outlives what it lent.
class Networks {
public:
    /// In: folder — private to this process; exists when take() is called.
    explicit Networks(std::filesystem::path folder) : folder_(std::move(folder)) {}

    /// One that nobody else has until the pointer ends. Errors: as Network::open.
    using Lent = std::unique_ptr<Network, std::function<void(Network*)>>;
    Result<Lent> take(const CancelCheck& is_cancelled);

private:
    std::filesystem::path folder_;
    std::mutex mutex_;
    std::vector<std::unique_ptr<Network>> idle_; // guarded by mutex_
    int made_ = 0;                               // guarded by mutex_
};

/// The text of a container's /etc/resolv.conf. In: text — of this machine's. A resolver on the loop-back interface is
/// reached by an address that pasta passes on.
std::string resolvers_inside(std::string_view text);

} // namespace dbuild::executors::runtime
