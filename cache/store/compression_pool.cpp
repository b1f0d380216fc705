// SPDX-License-Identifier: Apache-2.0
#include "cache/store/compression_pool.hpp"

#include "support/compression.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

namespace dbuild::cache::store {
namespace {

struct Task {
    std::string raw;
    int level = 0;
    std::promise<Result<CompressedBlock>> done;
};

Result<CompressedBlock> compress(ZstdFrames& frames, std::string raw, int level) {
    const auto raw_bytes = raw.size();
    DBUILD_TRY_ASSIGN(auto frame, frames.compress(raw, level));
    const bool is_worth_it = frame.size() < raw_bytes - raw_bytes / 50;
    return CompressedBlock{is_worth_it ? std::move(frame) : std::move(raw), static_cast<std::uint32_t>(raw_bytes)};
}

} // namespace

struct CompressionPool::Impl {
    unsigned thread_count = 1;
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<Task> tasks;
    bool is_closing = false;
    std::vector<std::thread> threads;

    void work() {
        ZstdFrames frames;
        std::unique_lock lock(mutex);
        for (;;) {
            changed.wait(lock, [&] { return is_closing || !tasks.empty(); });
            if (tasks.empty()) return;
            Task task = std::move(tasks.front());
            tasks.pop_front();
            lock.unlock();
            task.done.set_value(compress(frames, std::move(task.raw), task.level));
            lock.lock();
        }
    }
};

CompressionPool::CompressionPool(unsigned threads) : impl_(std::make_unique<Impl>()) { impl_->thread_count = threads; }

CompressionPool::~CompressionPool() {
    {
        const std::lock_guard lock(impl_->mutex);
        impl_->is_closing = true;
    }
    impl_->changed.notify_all();
    for (auto& thread : impl_->threads) thread.join();
}

std::future<Result<CompressedBlock>> CompressionPool::submit(std::string raw, int level) {
    Task task{std::move(raw), level, {}};
    auto result = task.done.get_future();
    const std::lock_guard lock(impl_->mutex);
    while (impl_->threads.size() < impl_->thread_count)
        impl_->threads.emplace_back([impl = impl_.get()] { impl->work(); });
    impl_->tasks.push_back(std::move(task));
    impl_->changed.notify_one();
    return result;
}

} // namespace dbuild::cache::store
