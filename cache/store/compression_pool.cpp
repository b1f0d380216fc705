// SPDX-License-Identifier: Apache-2.0
#include "cache/store/compression_pool.hpp"

#include "cache/store/pack_format.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace dbuild::cache::store {

struct CompressionPool::Impl {
    using Task = std::function<void(ZstdFrames&)>;

    unsigned thread_count = 1;
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<Task> tasks;
    std::vector<std::string> memory; // of blocks that were compressed
    bool is_closing = false;
    std::vector<std::thread> threads;

    void work() {
        ZstdFrames frames;
        std::unique_lock lock(mutex);
        for (;;) {
            changed.wait(lock, [&] { return is_closing || !tasks.empty(); });
            if (tasks.empty()) return;
            const Task task = std::move(tasks.front());
            tasks.pop_front();
            lock.unlock();
            task(frames);
            lock.lock();
        }
    }

    template <class Value>
    std::future<Result<Value>> submit(std::function<Result<Value>(ZstdFrames&)> work) {
        const auto promise = std::make_shared<std::promise<Result<Value>>>(); // shared by the copies of a std::function
        auto result = promise->get_future();
        const std::lock_guard lock(mutex);
        while (threads.size() < thread_count) threads.emplace_back([this] { this->work(); });
        tasks.emplace_back([promise, work = std::move(work)](ZstdFrames& frames) { promise->set_value(work(frames)); });
        changed.notify_one();
        return result;
    }

    Result<CompressedBlock> compress(ZstdFrames& frames, std::string raw, int level) {
        const auto raw_bytes = raw.size();
        DBUILD_TRY_ASSIGN(auto frame, frames.compress(raw, level));
        const bool is_worth_it = frame.size() < raw_bytes - raw_bytes / 50;
        if (!is_worth_it) return CompressedBlock{std::move(raw), static_cast<std::uint32_t>(raw_bytes)};
        const std::lock_guard lock(mutex);
        memory.push_back(std::move(raw));
        return CompressedBlock{std::move(frame), static_cast<std::uint32_t>(raw_bytes)};
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

std::future<Result<CompressedBlock>> CompressionPool::compress(std::string raw, int level) {
    // A std::function must be copyable, and only its last call may empty the string: it is called once.
    const auto shared = std::make_shared<std::string>(std::move(raw));
    return impl_->submit<CompressedBlock>([impl = impl_.get(), shared, level](ZstdFrames& frames) {
        return impl->compress(frames, std::move(*shared), level);
    });
}

std::future<Result<std::string>> CompressionPool::run(std::function<Result<std::string>(ZstdFrames&)> work) {
    return impl_->submit<std::string>(std::move(work));
}

std::string CompressionPool::block_memory() {
    const std::lock_guard lock(impl_->mutex);
    std::string block;
    if (!impl_->memory.empty()) {
        block = std::move(impl_->memory.back());
        impl_->memory.pop_back();
    }
    block.clear();
    block.reserve(k_max_block_bytes);
    return block;
}

} // namespace dbuild::cache::store
