// SPDX-License-Identifier: Apache-2.0
#include "cache/store/eviction_order.hpp"

#include <algorithm>
#include <cmath>

namespace dbuild::cache::store {
namespace {

constexpr double k_half_life_seconds = 7 * 86400;
// What any layer costs at least: it comes back from somewhere, at this rate (storage.md §3.1) and with some latency.
constexpr double k_bytes_per_second = 100e6;
constexpr double k_least_seconds = 0.1;

double worth(const EvictionCandidate& candidate, std::int64_t now) {
    const auto bytes = static_cast<double>(std::max<std::uint64_t>(candidate.bytes, 1));
    const double seconds = std::max(candidate.seconds, k_least_seconds + bytes / k_bytes_per_second);
    const auto age = static_cast<double>(std::max<std::int64_t>(now - candidate.used, 0)); // clocks are set back
    return std::log2(seconds / bytes) - age / k_half_life_seconds; // the logarithm: an old one's worth would be 0
}

struct Standing {
    double worth = 0;
    std::int64_t used = 0;
};

class Order {
public:
    Order(std::vector<EvictionCandidate> candidates, const LayersBelow& below, std::int64_t now)
        : candidates_(std::move(candidates)), below_(below) {
        for (std::size_t i = 0; i < candidates_.size(); ++i) {
            const auto& candidate = candidates_[i];
            numbers_[candidate.layer].push_back(i);
            raise(candidate.layer, {worth(candidate, now), candidate.used});
        }
        for (auto& candidate : candidates_) candidate.used = standings_.at(candidate.layer).used;
        for (const auto& [layer, lower] : below)
            for (const auto& parent : lower) above_[parent].push_back(layer);
        std::vector<std::size_t> all(candidates_.size());
        for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
        std::sort(all.begin(), all.end(), [&](std::size_t a, std::size_t b) {
            const auto worth_a = standings_.at(candidates_[a].layer).worth;
            const auto worth_b = standings_.at(candidates_[b].layer).worth;
            return worth_a != worth_b ? worth_a < worth_b : candidates_[a].created > candidates_[b].created;
        });
        for (const auto i : all) emit(candidates_[i].layer);
    }

    std::vector<EvictionCandidate> take() { return std::move(ordered_); }

private:
    /// Hands a layer's standing down to all that it stands on.
    void raise(const Digest& layer, const Standing& standing) {
        std::vector<Digest> waiting{layer};
        while (!waiting.empty()) {
            const auto next = waiting.back();
            waiting.pop_back();
            const auto [found, is_new] = standings_.try_emplace(next, standing);
            auto& known = found->second;
            if (!is_new && standing.worth <= known.worth && standing.used <= known.used) continue;
            known = {std::max(known.worth, standing.worth), std::max(known.used, standing.used)};
            if (const auto lower = below_.find(next); lower != below_.end())
                waiting.insert(waiting.end(), lower->second.begin(), lower->second.end());
        }
    }

    /// What stands on it first. A stack of its own: an image has at most some hundred layers, a chain in the store may
    /// be longer.
    void emit(const Digest& layer) {
        std::vector<std::pair<Digest, bool>> waiting{{layer, false}};
        while (!waiting.empty()) {
            const auto [next, is_free] = waiting.back();
            waiting.pop_back();
            if (is_free) {
                if (const auto found = numbers_.find(next); found != numbers_.end())
                    for (const auto i : found->second) ordered_.push_back(candidates_[i]);
                continue;
            }
            if (!entered_.insert(next).second) continue;
            waiting.emplace_back(next, true);
            if (const auto upper = above_.find(next); upper != above_.end())
                for (const auto& child : upper->second) waiting.emplace_back(child, false);
        }
    }

    std::vector<EvictionCandidate> candidates_;
    const LayersBelow& below_;
    std::map<Digest, std::vector<std::size_t>> numbers_; // a layer may be there in two forms
    std::map<Digest, Standing> standings_;
    std::map<Digest, std::vector<Digest>> above_;
    std::set<Digest> entered_;
    std::vector<EvictionCandidate> ordered_;
};

} // namespace

std::set<Digest> with_all_below(const std::set<Digest>& layers, const LayersBelow& below) {
    std::set<Digest> all;
    std::vector<Digest> waiting(layers.begin(), layers.end());
    while (!waiting.empty()) {
        const auto next = waiting.back();
        waiting.pop_back();
        if (!all.insert(next).second) continue;
        if (const auto found = below.find(next); found != below.end())
            waiting.insert(waiting.end(), found->second.begin(), found->second.end());
    }
    return all;
}

std::vector<EvictionCandidate> eviction_order(std::vector<EvictionCandidate> candidates, const LayersBelow& below,
                                              std::int64_t now) {
    return Order(std::move(candidates), below, now).take();
}

} // namespace dbuild::cache::store
