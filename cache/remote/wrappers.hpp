// SPDX-License-Identifier: Apache-2.0
// What every backend gets by wrapping: it tries again, it gives up on a remote that does not work, it counts, and it
// keeps within limits: of requests at once, of requests at all, and of what its errors may say.
#pragma once

#include "cache/remote/backend.hpp"

#include <atomic>
#include <chrono>
#include <functional>

namespace dbuild::cache::remote {

/// What was asked of a remote. For any number of threads.
struct TrafficCounters {
    std::atomic<std::uint64_t> requests = 0; // as the service sees them: every attempt counts
    std::atomic<std::uint64_t> bytes_read = 0, bytes_written = 0;
};

/// In: counters — outlive the backend.
std::unique_ptr<Backend> make_counting(std::unique_ptr<Backend> inner, TrafficCounters& counters);

struct RetryPolicy {
    int attempts = 4;
    std::chrono::milliseconds first_pause{100}; // doubled each time, and each a random part of that: "full jitter"
    std::function<void(std::chrono::milliseconds)> sleep = nullptr; // null: really
};

/// Repeats what failed with `transient`, and that only.
std::unique_ptr<Backend> make_retrying(std::unique_ptr<Backend> inner, RetryPolicy policy);

/// After so many failures in a row nothing is asked any more: everything fails with `unavailable` at once.
/// `interrupted`, `no_space` and `unsupported` are no failures of the remote.
std::unique_ptr<Backend> make_breaking(std::unique_ptr<Backend> inner, int failures);

/// At most so many calls at once; further ones wait. In: calls — above zero.
std::unique_ptr<Backend> make_limited(std::unique_ptr<Backend> inner, int calls);

/// After so many requests everything fails with `unavailable`: for services that count, or have them paid.
std::unique_ptr<Backend> make_budgeted(std::unique_ptr<Backend> inner, std::uint64_t requests);

/// No error names a secret, nor the user of a URL ("https://user:password@host"); "***" stands there instead.
/// In: secrets — such as tokens; empty ones do not count.
std::unique_ptr<Backend> make_redacting(std::unique_ptr<Backend> inner, std::vector<std::string> secrets);

} // namespace dbuild::cache::remote
