// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/variables.hpp"

#include <doctest/doctest.h>

using namespace dbuild::orchestrator;

namespace {

using Words = std::vector<std::string>;

Words shown(const std::vector<Variable>& variables) {
    Words words;
    for (const auto& [name, value, is_argument] : variables)
        words.push_back(name + "=" + value + (is_argument ? " (ARG)" : ""));
    return words;
}

} // namespace

TEST_SUITE("orchestrator/variables") {
    TEST_CASE("every point in time can be seen again, in the order of the last assignments") {
        VariableLog log;
        log.assign("a", "1", false);
        log.assign("b", "1", true);
        const auto point = log.size();
        log.assign("a", "2", true);
        CHECK(*log.find("a") == "2");
        CHECK(log.find("c") == nullptr);
        CHECK(shown(log.variables_at(0)).empty());
        CHECK(shown(log.variables_at(point)) == Words{"a=1", "b=1 (ARG)"});
        CHECK(shown(log.variables_at(log.size())) == Words{"b=1 (ARG)", "a=2 (ARG)"});
    }
    TEST_CASE("an image's environment has no arguments, and keeps the order of the first assignments") {
        VariableLog log;
        log.assign("a", "1", false);
        log.assign("b", "1", false);
        log.assign("c", "1", true);
        log.assign("a", "2", false);
        log.assign("b", "hidden", true);
        CHECK(log.environment_at(log.size()) == Words{"a=2", "b=1"});
        CHECK(log.environment_at(1) == Words{"a=1"});
    }
    TEST_CASE("points far apart and close together are all remembered") {
        VariableLog log;
        std::vector<Words> expected = {{}};
        std::vector<std::pair<std::string, std::string>> now; // in the order of the last assignments
        for (int i = 0; i < 300; ++i) {
            const std::string name = "v" + std::to_string(i * i % (i < 150 ? 7 : 41)), value = std::to_string(i);
            log.assign(name, value, false);
            std::erase_if(now, [&](const auto& variable) { return variable.first == name; });
            now.emplace_back(name, value);
            Words words;
            for (const auto& [key, text] : now) words.push_back(key + "=" + text);
            expected.push_back(std::move(words));
        }
        for (std::size_t point = 0; point <= log.size(); ++point) {
            CAPTURE(point);
            CHECK(shown(log.variables_at(point)) == expected[point]);
        }
    }
}
