// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/command_line/bake_command_line.hpp"

#include "orchestrator/bake/bake.hpp"

#include <doctest/doctest.h>

using namespace dbuild::orchestrator;
using dbuild::ErrorKind;
using Words = std::vector<std::string>;

namespace {

BakeCommandLine bake_line(const Words& words) { return parse_bake_command_line(words, BakeCommand::bake).value(); }

/// The build of the only selected target `t`.
BuildCommandLine line_of(const std::string& attributes, const Words& words = {}) {
    const auto file = BakeFile::parse(R"({"target": {"t": )" + attributes + "}}").value();
    return images_of(file, {"t"}, {"t"}, bake_line(words)).value().front().line;
}

} // namespace

TEST_SUITE("orchestrator/bake_command_line") {
    TEST_CASE("files, overrides and targets are for the definition, other flags for every target") {
        const auto line = bake_line(
            {"-f", "a.json", "--set", "*.args.A=1", "app", "--no-cache", "--cache-ttl=1h", "--fail-fast", "web"});
        CHECK(line.source.files == Words{"a.json"});
        CHECK(line.source.overrides == Words{"--set", "*.args.A=1"});
        CHECK(line.source.names == Words{"app", "web"});
        CHECK(line.words == Words{"--no-cache=true", "--cache-ttl=1h"});
        CHECK(line.docker_words == Words{"--no-cache=true"}); // docker knows no time to live
        CHECK(line.ends_at_failure);
    }
    TEST_CASE("what is unknown, or of the other command, is wrong usage") {
        for (const auto& words :
             {Words{"--tag", "a"}, Words{"--since", "HEAD"}, Words{"--progress", "loud"}, Words{"--file"}}) {
            const auto line = parse_bake_command_line(words, BakeCommand::bake);
            REQUIRE(!line);
            CHECK(line.error().kind == ErrorKind::usage);
        }
        CHECK(!parse_bake_command_line(Words{"--since", "HEAD", "--push"}, BakeCommand::affected));
        CHECK(!parse_bake_command_line(Words{}, BakeCommand::affected));
        CHECK(parse_bake_command_line(Words{"--since=HEAD", "--format", "json"}, BakeCommand::affected)->since ==
              "HEAD");
    }
    TEST_CASE("a scope is the image's, else the target's, else the one that is given with the target's") {
        CHECK(line_of(R"({"tags": ["team/app:1"]})").options.scope.empty());
        CHECK(line_of("{}").options.scope == "t");
        CHECK(line_of(R"({"tags": ["app"]})", {"--scope", "ci"}).options.scope == "ci/t");
    }
    TEST_CASE("--load and --push replace the outputs of a target") {
        using Kind = exporters::Output::Kind;
        const std::string attributes = R"({"tags": ["a"], "output": ["type=cacheonly"]})";
        CHECK(line_of(attributes).options.outputs.at(0).kind == Kind::nothing);
        REQUIRE(line_of(attributes, {"--load"}).options.outputs.size() == 1);
        CHECK(line_of(attributes, {"--load"}).options.outputs.at(0).kind == Kind::engine);
        CHECK(line_of(attributes, {"--push"}).options.outputs.at(0).kind == Kind::registry);
    }
    TEST_CASE("a target that is only read goes nowhere and keeps its layers") {
        const auto file =
            BakeFile::parse(R"({"target": {"a": {"contexts": {"b": "target:b"}}, "b": {"tags": ["b"]}}})").value();
        const auto images = images_of(file, {"b", "a"}, {"a"}, bake_line({"--load"})).value();
        CHECK(images[0].line.options.keeps_layers);
        CHECK(images[0].line.options.outputs.at(0).kind == exporters::Output::Kind::nothing);
        CHECK(images[0].is_only_read);
        CHECK(!images[1].line.options.keeps_layers);
        CHECK(!images[1].is_only_read);
    }
    TEST_CASE("a wrong value in the file names its target") {
        const auto file = BakeFile::parse(R"({"target": {"t": {"tags": ["Not A Tag"]}}})").value();
        const auto images = images_of(file, {"t"}, {"t"}, bake_line({}));
        REQUIRE(!images);
        CHECK(images.error().kind == ErrorKind::usage);
        CHECK(images.error().message.starts_with("target t: --tag"));
    }
}
