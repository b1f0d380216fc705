// SPDX-License-Identifier: Apache-2.0
// The order of eviction: by worth, never below what stands on it, also in a graph with cycles.
#include "cache/store/eviction_order.hpp"

#include <doctest/doctest.h>

using namespace dbuild;
using namespace dbuild::cache::store;

namespace {

constexpr std::int64_t k_now = 1'800'000'000;
constexpr std::int64_t k_day = 86400;

EvictionCandidate candidate(std::string_view name, std::int64_t days_ago, double seconds, std::uint64_t bytes = 1000) {
    return {sha256(name), k_now - days_ago * k_day, 0, bytes, seconds, 0};
}

std::vector<Digest> layers_of(const std::vector<EvictionCandidate>& ordered) {
    std::vector<Digest> layers;
    for (const auto& each : ordered) layers.push_back(each.layer);
    return layers;
}

std::vector<Digest> digests(std::initializer_list<std::string_view> names) {
    std::vector<Digest> all;
    for (const auto name : names) all.push_back(sha256(name));
    return all;
}

} // namespace

TEST_SUITE_BEGIN("cache/eviction_order");

TEST_CASE("of equally dear ones the one that was used longest ago goes first") {
    const auto ordered = eviction_order({candidate("a", 1, 5), candidate("b", 9, 5), candidate("c", 4, 5)}, {}, k_now);
    CHECK(layers_of(ordered) == digests({"b", "c", "a"}));
}

TEST_CASE("a week without use halves what a layer is worth") {
    const auto older = candidate("older", 14, 39);
    CHECK(layers_of(eviction_order({candidate("new", 0, 10), older}, {}, k_now)) == digests({"older", "new"}));
    CHECK(layers_of(eviction_order({candidate("new", 0, 9), older}, {}, k_now)) == digests({"new", "older"}));
}

TEST_CASE("seconds count by the byte") {
    const auto ordered =
        eviction_order({candidate("large", 0, 60, 50'000'000), candidate("small", 0, 6, 1'000'000)}, {}, k_now);
    CHECK(layers_of(ordered) == digests({"large", "small"}));
}

TEST_CASE("a chain goes from its top, is worth as much as its dearest part, and as recent as its newest use") {
    const LayersBelow below{{sha256("top"), {sha256("middle")}}, {sha256("middle"), {sha256("bottom")}}};
    const auto ordered = eviction_order(
        {candidate("bottom", 300, 0), candidate("top", 1, 500), candidate("other", 2, 50), candidate("middle", 200, 1)},
        below, k_now);
    CHECK(layers_of(ordered) == digests({"other", "top", "middle", "bottom"}));
    CHECK(ordered.back().used == k_now - k_day);
}

TEST_CASE("a cycle ends, and every candidate comes once") {
    const LayersBelow below{{sha256("a"), {sha256("b")}}, {sha256("b"), {sha256("a")}}, {sha256("c"), {sha256("c")}}};
    const auto ordered =
        eviction_order({candidate("a", 1, 1), candidate("b", 2, 2), candidate("c", 3, 3)}, below, k_now);
    CHECK(ordered.size() == 3);
    CHECK(with_all_below({sha256("a")}, below).size() == 2);
}

TEST_CASE("a clock that was set back makes nothing worth more than now") {
    const auto ordered = eviction_order({candidate("future", -1000, 1), candidate("now", 0, 2)}, {}, k_now);
    CHECK(layers_of(ordered) == digests({"future", "now"}));
}

TEST_SUITE_END();
