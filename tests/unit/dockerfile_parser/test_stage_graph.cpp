// SPDX-License-Identifier: Apache-2.0
// References between stages, what a target needs, and global arguments.
#include "dockerfile_parser/parser.hpp"
#include "dockerfile_parser/stage_graph.hpp"

#include <doctest/doctest.h>

using namespace dbuild;
using namespace dbuild::dockerfile_parser;

namespace {

using Kind = StageReference::Kind;

Dockerfile parse(std::string_view text) {
    auto result = parse_dockerfile(text, "Dockerfile");
    REQUIRE(result);
    return std::move(*result);
}

Result<StageGraph> graph(std::string_view text, std::string_view target = "",
                         const std::map<std::string, std::string>& arguments = {}) {
    return build_stage_graph(parse(text), target, arguments, "linux/arm/v7");
}

std::string message(const Result<StageGraph>& result) {
    REQUIRE_FALSE(result);
    CHECK(result.error().kind == ErrorKind::invalid_dockerfile);
    return result.error().message;
}

} // namespace

TEST_SUITE("dockerfile_parser/stage_graph") {
    TEST_CASE("only the target and what it reads from are needed, dependencies first") {
        const auto result = graph("FROM a AS one\nFROM b AS two\nFROM c AS three\nFROM two\nCOPY --from=0 /x /\n"
                                  "FROM d\n",
                                  "");
        REQUIRE(result);
        CHECK(result->needed == std::vector<int>{4});
        const auto other = build_stage_graph(
            parse("FROM a AS one\nFROM b AS two\nFROM c AS three\nFROM two AS last\nCOPY --from=0 /x /\n"), "LAST", {},
            "linux/amd64");
        REQUIRE(other);
        CHECK(other->needed == std::vector<int>{0, 1, 3});
    }
    TEST_CASE("RUN --mount=from makes a stage needed, by name in any case and not by number") {
        const auto by_name = graph("FROM a AS tools\nFROM b\nRUN --mount=type=bind,from=TOOLS,target=/t true\n");
        REQUIRE(by_name);
        CHECK(by_name->needed == std::vector<int>{0, 1});
        const auto upper_key = graph("FROM a AS tools\nFROM b\nRUN --mount=type=bind,FROM=tools,target=/t true\n");
        REQUIRE(upper_key);
        CHECK(upper_key->needed == std::vector<int>{0, 1});
        const auto by_number = graph("FROM a AS tools\nFROM b\nRUN --mount=from=0,target=/t true\n");
        REQUIRE(by_number);
        CHECK(by_number->needed == std::vector<int>{1});
    }
    TEST_CASE("FROM matches names exactly and takes the nearest stage before it") {
        const auto result = graph("FROM x AS base\nFROM y AS base\nFROM base\nFROM Base\nFROM scratch\n");
        REQUIRE(result);
        CHECK(result->stages[2].base.kind == Kind::stage);
        CHECK(result->stages[2].base.stage_index == 1);
        CHECK(result->stages[3].base.kind == Kind::image);
        CHECK(result->stages[3].base.image == "Base");
        CHECK(result->stages[4].base.kind == Kind::scratch);
    }
    TEST_CASE("scratch is empty even when a stage has that name") {
        const auto result = graph("FROM x AS scratch\nFROM scratch\n");
        REQUIRE(result);
        CHECK(result->stages[1].base.kind == Kind::scratch);
    }
    TEST_CASE("COPY --from takes an index, else the last stage of that name, else an image") {
        const auto source = [](const std::string& instruction) {
            const auto result = graph("FROM x AS a\nFROM y AS a\nFROM z\n" + instruction);
            REQUIRE(result);
            return result->stages[2].sources.at(0);
        };
        CHECK(source("COPY --from=0 a b").stage_index == 0);
        CHECK(source("COPY --from=+00 a b").stage_index == 0);
        CHECK(source("COPY --from=A a b").stage_index == 1);
        CHECK(source("COPY --from=busybox a b").kind == Kind::image);
        CHECK(source("COPY --from=99999999999 a b").kind == Kind::image);
        CHECK(source("COPY --from=scratch a b").kind == Kind::scratch);
        CHECK(source("RUN --mount=from=0,target=/x y").kind == Kind::image);
        CHECK(source("RUN --mount=from=a,target=/x y").stage_index == 1);
    }
    TEST_CASE("numbers after the stages' are the images that were named before, each time that they were read from") {
        const auto result = graph("FROM x\nCOPY --from=one a b\nRUN --mount=from=two,target=/t true\nFROM y\n"
                                  "COPY --from=3 a b\nCOPY --from=0 a b\nCOPY --from=4 a b\nCOPY --from=2 a b\n");
        REQUIRE(result);
        const auto& sources = result->stages[1].sources;
        REQUIRE(sources.size() == 4);
        CHECK(sources[0].image == "two");
        CHECK(sources[1] == StageReference::to_stage(0));
        CHECK(sources[2].image == "two");
        CHECK(sources[3].image == "one");
        CHECK(message(graph("FROM x\nCOPY --from=1 a b\nCOPY --from=one a b\n")) == "invalid stage index 1");
        CHECK(message(graph("FROM x\nCOPY --from=one a b\nCOPY --from=2 a b\n")) == "invalid stage index 2");
        CHECK(message(graph("FROM x\nCOPY --from=-1 a b\n")) == "invalid stage index -1");
    }
    TEST_CASE("references to itself, to later stages and out of range are errors on the instruction") {
        const auto self = graph("FROM a AS x\nCOPY --from=x a b\n");
        CHECK(message(self).find("circular dependency detected on stage") != std::string::npos);
        CHECK(self.error().where.value().first_line == 2);
        CHECK(message(graph("FROM a AS one\nCOPY --from=x a b\nFROM b AS x\n", "one")) ==
              "cannot copy from stage \"x\", it needs to be defined before current stage \"one\"");
        CHECK(message(graph("FROM a AS one\nRUN --mount=from=x,target=/x true\nFROM b AS x\n", "one")) ==
              "cannot mount from stage \"x\", stage needs to be defined before current command");
        CHECK(message(graph("FROM a\nCOPY --from=7 a b\n")).find("invalid stage index 7") != std::string::npos);
    }
    TEST_CASE("a reference to a later stage is no error where nobody needs it, a circle is one everywhere") {
        CHECK(graph("FROM a\nCOPY --from=x a b\nFROM b AS x\n")->needed == std::vector<int>{1});
        const auto circle = graph("FROM a AS x\nCOPY --from=y a b\nFROM b AS y\nCOPY --from=x a b\nFROM c\n");
        CHECK(message(circle) == "circular dependency detected on stage: x");
        CHECK(circle.error().where.value().first_line == 2);
    }
    TEST_CASE("a named context replaces a stage, an image of FROM, COPY and mounts, for one platform or for all") {
        const auto file =
            parse("FROM busybox AS tools\nRUN make\nFROM docker.io/library/alpine:latest\nCOPY --from=tools /a /\n"
                  "COPY --from=files /b /\nRUN --mount=from=files:1,target=/f true\n");
        const auto with = [&](std::set<std::string> contexts) {
            auto result = build_stage_graph(file, {"", {}, "linux/amd64", {}, std::move(contexts), false});
            REQUIRE(result);
            return std::move(*result);
        };
        const auto context = [](std::string name) { return StageReference{Kind::context, -1, std::move(name)}; };
        const auto replaced = with({"tools", "files", "scratch"});
        CHECK(replaced.stages[0].base == context("tools"));
        CHECK(replaced.needed == std::vector<int>{0, 1});
        CHECK(replaced.stages[1].base.kind == Kind::image);
        CHECK(replaced.stages[1].sources[0] == StageReference::to_stage(0));
        CHECK(replaced.stages[1].sources[1] == context("files"));
        CHECK(replaced.stages[1].sources[2].kind == Kind::image); // "files:1" is another name
        CHECK(with({"alpine"}).stages[1].base == context("alpine"));
        CHECK(with({"alpine", "alpine::linux/amd64"}).stages[1].base == context("alpine::linux/amd64"));
        CHECK(with({"alpine::linux/arm64"}).stages[1].base.kind == Kind::image);
    }
    TEST_CASE("the machine that builds may have another platform than the target") {
        const auto file = parse("FROM --platform=$BUILDPLATFORM a-$TARGETARCH-$BUILDARCH$BUILDVARIANT\n");
        const auto result = build_stage_graph(file, {"", {}, "linux/amd64", "linux/arm/v7", {}, false});
        REQUIRE(result);
        CHECK(result->stages[0].platform == "linux/arm/v7");
        CHECK(result->stages[0].base.image == "a-amd64-armv7");
    }
    TEST_CASE("a variable in COPY --from is an error also in a stage that is not needed") {
        const auto result = graph("FROM a\nCOPY --from=$X a b\nFROM b\n");
        CHECK(message(result).find("variable expansion is not supported for --from") != std::string::npos);
    }
    TEST_CASE("an unknown target is an error with a suggestion") {
        CHECK(message(graph("FROM a AS build\n", "biuld")) ==
              "target stage \"biuld\" could not be found (did you mean build?)");
    }
    TEST_CASE("FROM sees global and automatic arguments, and a build argument wins over a default") {
        constexpr std::string_view text = "ARG TAG=1 FULL=img:$TAG\nFROM --platform=$TARGETPLATFORM $FULL\n";
        CHECK(graph(text)->stages[0].base.image == "img:1");
        CHECK(graph(text)->stages[0].platform == "linux/arm/v7");
        CHECK(graph(text, "", {{"TAG", "2"}})->stages[0].base.image == "img:2");
        CHECK(message(graph("FROM $NOTHING\n")).find("should not be blank") != std::string::npos);
    }
    TEST_CASE("global arguments hold the parts of the platform and only ARGs that have a value") {
        const auto values =
            global_arguments(parse("ARG A=1\nARG B\nARG C\nFROM x\n"), "t", {{"C", "3"}, {"D", "4"}}, "linux/arm/v7");
        REQUIRE(values);
        CHECK(values->at("TARGETARCH") == "arm");
        CHECK(values->at("TARGETVARIANT") == "v7");
        CHECK(values->at("BUILDOS") == "linux");
        CHECK(values->at("TARGETSTAGE") == "t");
        CHECK(values->at("A") == "1");
        CHECK(values->count("B") == 0);
        CHECK(values->at("C") == "3");
        CHECK(values->count("D") == 0);
    }
    TEST_CASE("an error in a default that a build argument replaces is not reported") {
        CHECK(graph("ARG A=${X?needed}\nFROM x\n", "", {{"A", "1"}}));
        CHECK_FALSE(graph("ARG A=${X?needed}\nFROM x\n"));
    }
}
