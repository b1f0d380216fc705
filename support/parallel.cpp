// SPDX-License-Identifier: Apache-2.0
#include "support/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace dbuild {

Status for_each_parallel(std::size_t count, std::size_t threads, const std::function<Status(std::size_t)>& work) {
    std::atomic<std::size_t> next = 0;
    std::mutex mutex;
    std::optional<Error> failure; // guarded by mutex
    const auto run = [&] {
        for (auto i = next++; i < count; i = next++) {
            Status done = work(i);
            if (done) continue;
            const std::scoped_lock lock(mutex);
            if (!failure) failure = std::move(done).error();
            next = count;
        }
    };
    {
        std::vector<std::jthread> others;
        for (std::size_t i = 1; i < std::min(count, threads); ++i) others.emplace_back(run);
        run();
    }
    if (failure) return fail(std::move(*failure));
    return {};
}

} // namespace dbuild
