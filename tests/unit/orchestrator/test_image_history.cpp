// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/image_history.hpp"

#include <doctest/doctest.h>

using namespace dbuild;
using namespace dbuild::orchestrator;
using cache::oci::HistoryEntry;

namespace {

const std::vector<LayerOrigin> k_layers = {{"1", "lowest"}, {"2", "middle"}, {"3", "top"}};

/// In: entries — "+" before what claims a layer.
cache::oci::ImageConfig config_with(const std::vector<std::string>& entries) {
    cache::oci::ImageConfig config;
    for (const auto& text : entries) config.history.push_back({"0", text.substr(1), {}, {}, text.front() != '+'});
    return config;
}

std::vector<std::string> repaired(const std::vector<std::string>& entries) {
    auto config = config_with(entries);
    repair_history(k_layers, config);
    std::vector<std::string> texts;
    for (const auto& entry : config.history) texts.push_back((entry.empty_layer ? "-" : "+") + entry.created_by);
    return texts;
}

using Texts = std::vector<std::string>;

} // namespace

TEST_SUITE("orchestrator/image_history") {

TEST_CASE("a history that fits its layers stays as it is") {
    CHECK(repaired({"+a", "-b", "+c", "+d", "-e"}) == Texts{"+a", "-b", "+c", "+d", "-e"});
}

TEST_CASE("entries that claim layers which are not there are empty from the end on") {
    CHECK(repaired({"+a", "+b", "-c", "+d", "+e", "+f"}) == Texts{"+a", "+b", "-c", "+d", "-e", "-f"});
}

TEST_CASE("what nothing claims are the topmost layers, whose entries come last") {
    CHECK(repaired({"+a", "-b"}) == Texts{"+a", "-b", "+middle", "+top"});
    CHECK(repaired({}) == Texts{"+lowest", "+middle", "+top"});
    auto config = config_with({"+a", "+b"});
    repair_history(k_layers, config);
    CHECK(config.history.back() == HistoryEntry{"3", "top", "buildkit.exporter.image.v0", {}, false});
}

}
