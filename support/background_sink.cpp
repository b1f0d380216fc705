// SPDX-License-Identifier: Apache-2.0
#include "support/background_sink.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

namespace dbuild {
namespace {

constexpr std::size_t k_piece_bytes = std::size_t{1} << 18;
constexpr std::size_t k_max_waiting = 8;

} // namespace

struct BackgroundSink::Impl {
    Sink sink;
    std::string piece; // that is being filled

    std::mutex mutex;
    std::condition_variable changed;
    std::deque<std::string> waiting;
    std::deque<std::string> emptied; // their memory is used again
    bool is_over = false;            // nothing more will wait
    Status failure;
    std::thread thread;

    ~Impl() {
        {
            const std::lock_guard lock(mutex);
            waiting.clear();
            is_over = true;
        }
        join();
    }

    void join() {
        changed.notify_all();
        if (thread.joinable()) thread.join();
    }

    void work() {
        std::unique_lock lock(mutex);
        for (;;) {
            changed.wait(lock, [&] { return is_over || !waiting.empty(); });
            if (waiting.empty()) return;
            auto bytes = std::move(waiting.front());
            waiting.pop_front();
            const bool is_wanted = failure.has_value();
            lock.unlock();
            const Status taken = is_wanted ? sink(bytes) : Status();
            bytes.clear();
            lock.lock();
            if (!taken) failure = taken;
            emptied.push_back(std::move(bytes));
            changed.notify_all();
        }
    }

    Status queue_piece() {
        std::unique_lock lock(mutex);
        if (!thread.joinable()) thread = std::thread([this] { work(); });
        changed.wait(lock, [&] { return waiting.size() < k_max_waiting; });
        waiting.push_back(std::move(piece));
        piece.clear();
        if (!emptied.empty()) {
            piece = std::move(emptied.front());
            emptied.pop_front();
        }
        Status so_far = failure;
        lock.unlock();
        changed.notify_all();
        return so_far;
    }
};

BackgroundSink::BackgroundSink(Sink sink) : impl_(std::make_unique<Impl>()) { impl_->sink = std::move(sink); }
BackgroundSink::~BackgroundSink() = default;
BackgroundSink::BackgroundSink(BackgroundSink&&) noexcept = default;

Status BackgroundSink::write(std::string_view bytes) {
    auto& piece = impl_->piece;
    for (;;) {
        const auto taken = std::min(bytes.size(), k_piece_bytes - piece.size());
        piece += bytes.substr(0, taken);
        bytes.remove_prefix(taken);
        if (bytes.empty()) return {};
        DBUILD_TRY(impl_->queue_piece());
    }
}

Status BackgroundSink::finish() {
    if (!impl_->thread.joinable()) return impl_->sink(impl_->piece);
    Status so_far = impl_->queue_piece();
    {
        const std::lock_guard lock(impl_->mutex);
        impl_->is_over = true;
    }
    impl_->join();
    return so_far ? impl_->failure : so_far;
}

} // namespace dbuild
