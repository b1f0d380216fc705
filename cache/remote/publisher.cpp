// SPDX-License-Identifier: Apache-2.0
#include "cache/remote/publisher.hpp"

#include "cache/remote/local_records.hpp"
#include "cache/store/catalog.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>

namespace dbuild::cache::remote {
namespace {

/// What the thread has to publish.
struct Work {
    std::set<Digest> steps, replaced;
    std::set<std::string> bases;
    std::set<Digest> bad_packs;

    bool is_empty() const { return steps.empty() && bases.empty() && bad_packs.empty(); }
    void add(const Work& other) {
        steps.insert(other.steps.begin(), other.steps.end());
        replaced.insert(other.replaced.begin(), other.replaced.end());
        bases.insert(other.bases.begin(), other.bases.end());
        bad_packs.insert(other.bad_packs.begin(), other.bad_packs.end());
    }
};

/// Stands for what a build used, for an hour: after that the packs are told again that they are used.
Digest digest_of(const Work& work) {
    const auto hour = std::chrono::floor<std::chrono::hours>(std::chrono::system_clock::now()).time_since_epoch();
    std::string text = std::to_string(hour.count());
    for (const auto& key : work.steps) text += "\n" + key.hex();
    for (const auto& base : work.bases) text += "\n" + base;
    return sha256(text);
}

/// Whether the index says nothing new about what is used: only who used it last, which is not worth a publication.
bool has_news(const ScopeIndex& published, const ScopeIndex& mine, const std::set<Digest>& replaced) {
    const auto places = restorable_layers(published);
    for (const auto& [key, step] : mine.steps) {
        const auto found = published.steps.find(key);
        if (found == published.steps.end()) return true;
        const bool differs = found->second.record.diff_id != step.record.diff_id;
        if (differs && replaced.contains(key)) return true;
        if (!differs && !places.contains(step.record.diff_id)) return true;
    }
    return std::any_of(mine.bases.begin(), mine.bases.end(),
                       [&](const auto& base) { return !published.bases.contains(base.first); });
}

/// One build's share in a scope of one remote.
class TargetPublisher {
public:
    TargetPublisher(PublishTarget target, const PublisherSettings& settings, const std::atomic<bool>& is_cancelled)
        : target_(std::move(target)), settings_(settings), is_cancelled_(is_cancelled) {}

    const std::string& name() const { return target_.name; }

    /// The last build here used the same, and the index is the one that it left.
    bool is_settled(const Work& work) const {
        return !target_.index && work.replaced.empty() && work.bad_packs.empty() && target_.settled == digest_of(work);
    }

    Status publish(const LocalRecords& local, const Work& work) {
        if (is_given_up_) return {};
        target_.settled.reset();
        if (!target_.index) DBUILD_TRY(read_again());
        auto mine = local.index;
        DBUILD_TRY(put_packs(local, mine));
        std::set<Digest> bad = work.bad_packs;
        std::erase_if(bad, [&](const Digest& pack) { return !target_.index->packs.contains(pack); });
        if (!bad.empty() || has_news(*target_.index, mine, work.replaced)) DBUILD_TRY(replace_index(mine, work, bad));
        if (!problem_) return std::exchange(problem_, {});
        target_.settled = digest_of(work);
        return {};
    }

    /// Nothing where it is not known.
    std::optional<PublishedState> state() const {
        if (!target_.settled || has_rows_of_others_) return std::nullopt;
        return PublishedState{target_.scope, target_.name, target_.version, target_.settled};
    }

private:
    /// Also those that the index names and that somebody has removed. What cannot be put is left out, with the steps
    /// that need it.
    Status put_packs(const LocalRecords& local, ScopeIndex& mine) {
        std::vector<Digest> names;
        for (const auto& [name, path] : local.pack_files) names.push_back(name);
        DBUILD_TRY_ASSIGN(const auto found, target_.backend->find_packs(names));
        const std::set<Digest> present(found.begin(), found.end());
        std::set<Digest> missing;
        for (const auto& [name, path] : local.pack_files) {
            if (present.contains(name)) continue;
            if (problem_ && is_cancelled_) problem_ = fail(ErrorKind::interrupted, "not all was published in time");
            if (problem_) problem_ = target_.backend->put_pack(name, path);
            if (!problem_) missing.insert(name);
        }
        if (!missing.empty()) forget_packs(mine, missing);
        return {};
    }

    Status replace_index(const ScopeIndex& mine, const Work& work, const std::set<Digest>& bad) {
        std::mt19937_64 random(std::random_device{}());
        for (int attempt = 0; attempt < settings_.attempts; ++attempt) {
            auto merged = *target_.index;
            if (!bad.empty()) forget_packs(merged, bad);
            merge(merged, mine, work.replaced);
            trim(merged, settings_.max_index_bytes);
            DBUILD_TRY_ASSIGN(const auto bytes, encode(merged));
            DBUILD_TRY_ASSIGN(const auto version,
                              target_.backend->replace_index(target_.scope, bytes, target_.version));
            if (version) {
                target_.version = *version;
                target_.index = std::move(merged);
                return {};
            }
            DBUILD_TRY(read_again());
            const auto longest = 10u * (1u + static_cast<unsigned>(attempt));
            std::this_thread::sleep_for(std::chrono::milliseconds(random() % longest));
        }
        return fail(ErrorKind::unavailable, "too many others publish scope " + target_.scope);
    }

    /// What somebody else has published meanwhile.
    Status read_again() {
        DBUILD_TRY_ASSIGN(const auto file, target_.backend->read_index(target_.scope, ""));
        const auto version = file ? file->version : "";
        has_rows_of_others_ = has_rows_of_others_ || version != target_.version;
        target_.version = version;
        target_.index.emplace();
        if (!file) return {};
        auto read = decode(file->bytes);
        if (!read && read.error().kind == ErrorKind::unsupported) { // a newer dbuild's stays
            is_given_up_ = true;
            return fail(std::move(read).error());
        }
        if (read) target_.index = std::move(*read); // a damaged one is replaced
        return {};
    }

    PublishTarget target_;
    const PublisherSettings& settings_;
    const std::atomic<bool>& is_cancelled_;
    bool is_given_up_ = false;
    bool has_rows_of_others_ = false; // which the store's own index has not
    Status problem_;                  // of packs that could not be put
};

} // namespace

struct Publisher::Impl {
    const store::LayerStore& layers;
    PublisherSettings settings;
    std::atomic<bool>& is_cancelled;
    std::vector<TargetPublisher> targets;

    std::mutex mutex;
    std::condition_variable changed;
    Work waiting;
    bool is_finishing = false, is_finished = false;
    std::set<std::string> problems;
    std::thread thread; // started by the first thing to publish

    Impl(const store::LayerStore& store, std::atomic<bool>& cancelled, PublisherSettings chosen)
        : layers(store), settings(chosen), is_cancelled(cancelled) {}

    template <class Note>
    void note(const Note& add) {
        if (targets.empty()) return;
        const std::lock_guard lock(mutex);
        add(waiting);
        if (!thread.joinable()) thread = std::thread([this] { run(); });
    }

    void run() {
        Work all; // what a later index replaces must hold it too
        std::unique_lock lock(mutex);
        for (;;) {
            changed.wait_for(lock, settings.interval, [&] { return is_finishing || is_cancelled; });
            const bool is_last = is_finishing || is_cancelled;
            const auto work = std::exchange(waiting, {});
            if (!work.is_empty()) {
                lock.unlock();
                all.add(work);
                auto found = publish(all);
                lock.lock();
                problems.merge(found);
            }
            if (is_last && waiting.is_empty()) break;
        }
        is_finished = true;
        changed.notify_all();
    }

    /// Out: what went wrong.
    std::set<std::string> publish(const Work& work) {
        const auto is_settled = [&](const auto& target) { return target.is_settled(work); };
        if (std::all_of(targets.begin(), targets.end(), is_settled)) return {};
        std::set<std::string> found;
        const auto local = [&]() -> Result<LocalRecords> {
            DBUILD_TRY(layers.flush());
            if (layers.catalog().is_private())
                return fail(ErrorKind::unavailable, "the cache folder keeps nothing that could be published");
            return collect(layers, work.steps, work.bases);
        }();
        if (!local) return {local.error().message};
        for (auto& target : targets)
            if (const auto done = target.publish(*local, work); !done)
                found.insert(target.name() + ": " + done.error().message);
        return found;
    }
};

Publisher::Publisher(const store::LayerStore& layers, std::vector<PublishTarget> targets,
                     std::atomic<bool>& is_cancelled, PublisherSettings settings)
    : impl_(std::make_unique<Impl>(layers, is_cancelled, settings)) {
    for (auto& target : targets) impl_->targets.emplace_back(std::move(target), impl_->settings, is_cancelled);
}

Publisher::~Publisher() { (void)finish(std::chrono::milliseconds(0)); }

void Publisher::note_made(const Digest& key, bool replaces) {
    impl_->note([&](Work& work) {
        work.steps.insert(key);
        if (replaces) work.replaced.insert(key);
    });
}

void Publisher::note_used(const std::vector<Digest>& keys) {
    impl_->note([&](Work& work) { work.steps.insert(keys.begin(), keys.end()); });
}

void Publisher::note_base(const std::string& id) {
    impl_->note([&](Work& work) { work.bases.insert(id); });
}

void Publisher::note_bad_packs(const std::set<Digest>& packs) {
    if (packs.empty()) return;
    impl_->note([&](Work& work) { work.bad_packs.insert(packs.begin(), packs.end()); });
}

std::vector<std::string> Publisher::finish(std::chrono::milliseconds deadline) {
    {
        std::unique_lock lock(impl_->mutex);
        if (!impl_->thread.joinable()) return {};
        impl_->is_finishing = true;
        impl_->changed.notify_all();
        impl_->changed.wait_for(lock, deadline, [&] { return impl_->is_finished; });
        impl_->is_cancelled = true;
    }
    impl_->changed.notify_all();
    impl_->thread.join();
    return {impl_->problems.begin(), impl_->problems.end()};
}

std::vector<PublishedState> Publisher::states() const {
    std::vector<PublishedState> states;
    for (const auto& target : impl_->targets)
        if (auto state = target.state()) states.push_back(std::move(*state));
    return states;
}

} // namespace dbuild::cache::remote
