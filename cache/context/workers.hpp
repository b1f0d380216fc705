// SPDX-License-Identifier: Apache-2.0
// Helper threads for work that its caller does as well: started late, or never, and joined before the work's data goes.
#pragma once

#include <algorithm>
#include <functional>
#include <thread>
#include <vector>

namespace dbuild::cache::context {

class Workers {
public:
    bool is_empty() const { return threads_.empty(); }
    /// Runs `work` in as many threads as there are processors besides the caller's, at most 7. At least one: waiting
    /// for a disk needs no processor.
    void start(const std::function<void()>& work) {
        start(work, std::clamp(std::thread::hardware_concurrency(), 2U, k_max_threads) - 1);
    }
    /// In: count — at most 7.
    void start(const std::function<void()>& work, std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) threads_.emplace_back(work);
    }
    void join() { threads_.clear(); }

    static constexpr unsigned k_max_threads = 8; // with the caller's; more only wait for the kernel's locks

private:
    std::vector<std::jthread> threads_;
};

} // namespace dbuild::cache::context
