// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/context_look_ahead.hpp"

#include "dockerfile_parser/parser.hpp"

#include <doctest/doctest.h>

namespace dbuild::orchestrator {
namespace {

std::vector<std::string> sources_of(std::string_view text) {
    const auto dockerfile = dockerfile_parser::parse_dockerfile(text, "Dockerfile");
    REQUIRE(dockerfile);
    const auto graph = dockerfile_parser::build_stage_graph(*dockerfile, {"", {}, "linux/amd64", {}, {}});
    REQUIRE(graph);
    return literal_sources(*dockerfile, *graph);
}

} // namespace

TEST_SUITE("orchestrator/context_look_ahead") {
    TEST_CASE("what needed stages copy by its literal name is looked at ahead, and nothing else") {
        CHECK(sources_of(
                  "FROM scratch AS unneeded\nCOPY x /\n"
                  "FROM scratch AS needed\nCOPY a b* c/ /\nADD d.tar https://example.org/e git@example.org:f.git /\n"
                  "FROM scratch\nCOPY --from=needed g /\nARG H\nCOPY $H \"i\" j\\ k l /\nCOPY --parents m /\nCOPY <<E "
                  "n /\nE\n") == std::vector<std::string>{"a", "b*", "c/", "d.tar", "k", "l", "n"});
    }
    TEST_CASE("a context that no run has seen is left alone") {
        auto context = cache::context::ContextTree::open("/proc/self/fdinfo", nullptr, nullptr, {});
        REQUIRE(context);
        CHECK_FALSE(look_ahead(std::make_shared<cache::context::ContextTree>(std::move(*context)), {"0"}).joinable());
    }
}

} // namespace dbuild::orchestrator
