// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/annotations.hpp"

#include <doctest/doctest.h>

using namespace dbuild;
using orchestrator::Annotation;
using orchestrator::parse_annotations;
using Level = Annotation::Level;

TEST_SUITE("orchestrator/annotations") {
    TEST_CASE("one without a level is of the manifest") {
        const auto parsed = parse_annotations("org.example.a=b=c").value();
        REQUIRE(parsed.size() == 1);
        CHECK(parsed[0].level == Level::manifest);
        CHECK(parsed[0].name == "org.example.a");
        CHECK(parsed[0].value == "b=c");
    }
    TEST_CASE("levels and platforms stand before the name") {
        const auto parsed = parse_annotations("index,manifest[linux/aarch64],index-descriptor:a=").value();
        REQUIRE(parsed.size() == 3);
        CHECK(parsed[0].level == Level::index);
        CHECK(parsed[1].level == Level::manifest);
        CHECK(parsed[1].platform == "linux/arm64");
        CHECK(parsed[2].level == Level::index_descriptor);
        CHECK(parsed[2].value.empty());
    }
    TEST_CASE("what is no annotation is refused in buildx's words") {
        CHECK(parse_annotations("bogus:a=b").error().message == "unknown annotation type \"bogus\"");
        for (const auto* text : {"word", "=b", "manifest:=b", "manifest[linux/amd64:a=b", "manifest[a/b/c/d]:a=b"})
            CHECK_MESSAGE(!parse_annotations(text), text);
    }
    TEST_CASE("the last of one name counts, and one for another platform does not") {
        std::vector<Annotation> all;
        for (const auto* text : {"a=1", "a=2", "manifest[linux/arm64]:a=3", "index:b=4"}) {
            const auto parsed = parse_annotations(text).value();
            all.insert(all.end(), parsed.begin(), parsed.end());
        }
        CHECK(select(all, Level::manifest, "linux/amd64") == std::map<std::string, std::string>{{"a", "2"}});
        CHECK(select(all, Level::manifest, "linux/arm64") == std::map<std::string, std::string>{{"a", "3"}});
        CHECK(select(all, Level::index) == std::map<std::string, std::string>{{"b", "4"}});
        CHECK(select(all, Level::index_descriptor).empty());
    }
}
