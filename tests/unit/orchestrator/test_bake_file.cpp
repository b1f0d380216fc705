// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/bake/bake_file.hpp"

#include <doctest/doctest.h>

using namespace dbuild::orchestrator;
using dbuild::ErrorKind;
using Words = std::vector<std::string>;

namespace {

BakeFile file_of(std::string_view text) {
    auto file = BakeFile::parse(text);
    INFO((file ? std::string() : file.error().message));
    REQUIRE(file);
    return std::move(*file);
}

ErrorKind refusal(std::string_view text) {
    const auto file = BakeFile::parse(text);
    REQUIRE(!file);
    return file.error().kind;
}

Words words_of(const std::string& attributes) {
    return file_of(R"({"target": {"t": )" + attributes + "}}").target("t").words;
}

} // namespace

TEST_SUITE("orchestrator/bake_file") {
    TEST_CASE("a target becomes the words that build it") {
        CHECK(words_of("{}") == Words{"."});
        CHECK(words_of(R"({"context": "a", "dockerfile": "Dockerfile"})") == Words{"a"});
        CHECK(words_of(R"({"context": "a", "dockerfile": "b/C", "target": "s"})") ==
              Words{"--target=s", "--file=a/b/C", "a"});
        CHECK(words_of(R"({"dockerfile": "/d/C"})") == Words{"--file=/d/C", "."});
        CHECK(words_of(R"({"args": {"A": "1", "B": null}, "labels": {"l": "x"}})") ==
              Words{"--build-arg=A=1", "--build-arg=B", "--label=l=x", "."});
        CHECK(words_of(R"({"tags": ["a:1", "b:2"], "no-cache": true, "pull": false, "platforms": ["linux/amd64"]})") ==
              Words{"--tag=a:1", "--tag=b:2", "--no-cache=true", "--pull=false", "--platform=linux/amd64", "."});
        CHECK(words_of(R"({"contexts": {"src": "../x"}})") == Words{"--build-context=src=../x", "."});
    }
    TEST_CASE("caches and outputs are texts or, in newer versions, objects") {
        CHECK(words_of(R"({"output": ["type=oci,dest=x"], "cache-from": [{"type": "local", "src": "a,b"}]})") ==
              Words{"--output=type=oci,dest=x", R"(--cache-from=type=local,"src=a,b")", "."});
    }
    TEST_CASE("a context that is another target's result is no word") {
        const auto file =
            file_of(R"({"target": {"a": {"contexts": {"base": "target:b", "x": "service:c"}}, "b": {}, "c": {}}})");
        CHECK(file.target("a").words == Words{"."});
        CHECK(file.target("a").reads == std::map<std::string, std::string>{{"base", "b"}, {"x", "c"}});
        CHECK(file.with_read_targets({"a"}).value() == Words{"b", "c", "a"});
    }
    TEST_CASE("a Dockerfile in the file is standard input's") {
        const auto file = file_of(R"({"target": {"t": {"dockerfile-inline": "FROM scratch\nENV A=$${B}"}}})");
        CHECK(file.target("t").words == Words{"--file=-", "."});
        CHECK(file.target("t").dockerfile_text == "FROM scratch\nENV A=${B}");
    }
    TEST_CASE("what is not resolved is left to docker buildx") {
        CHECK(refusal(R"({"variable": {"V": {}}})") == ErrorKind::unsupported);
        CHECK(refusal(R"({"target": {"t": {"inherits": ["u"]}}})") == ErrorKind::unsupported);
        CHECK(refusal(R"({"target": {"t": {"matrix": {"a": ["1"]}}}})") == ErrorKind::unsupported);
        CHECK(refusal(R"({"target": {"t": {"tags": ["a:${V}"]}}})") == ErrorKind::unsupported);
    }
    TEST_CASE("an attribute that nobody knows yet is docker buildx's, for that target") {
        const auto file = file_of(R"({"target": {"t": {"resources": {"memory": "1g"}}, "u": {"description": "x"}}})");
        CHECK(file.target("t").unplanned == "resources of a bake target");
        CHECK(file.target("u").unplanned.empty());
    }
    TEST_CASE("what is no bake file is an error") {
        for (const auto* text : {"", "[]", R"({"target": []})", R"({"target": {"t": 1}})", R"({"group": {"g": {}}})",
                                 R"({"target": {"t": {"tags": "a"}}})", R"({"target": {"t": {"args": ["a"]}}})"}) {
            CAPTURE(text);
            CHECK(refusal(text) == ErrorKind::usage);
        }
    }
    TEST_CASE("names mean groups before targets, each target once, default where there is none") {
        const auto file = file_of(
            R"({"group": {"default": {"targets": ["g", "b"]}, "g": {"targets": ["b", "a"]}, "c": {"targets": ["c", "a"]}},
                                      "target": {"a": {}, "b": {}, "c": {}}})");
        CHECK(file.select({}).value() == Words{"a", "b"});
        CHECK(file.select({"c"}).value() == Words{"a", "c"});
        CHECK(file.select({"b"}).value() == Words{"b"});
        CHECK(file.select({"d"}).error().kind == ErrorKind::usage);
        CHECK(file_of(R"({"target": {"default": {}}})").select({}).value() == Words{"default"});
    }
    TEST_CASE("targets that read from each other in a circle are an error") {
        const auto file =
            file_of(R"({"target": {"a": {"contexts": {"x": "target:b"}}, "b": {"contexts": {"x": "target:a"}}}})");
        CHECK(file.with_read_targets({"a"}).error().kind == ErrorKind::usage);
        CHECK(
            file_of(R"({"target": {"a": {"contexts": {"x": "target:none"}}}})").with_read_targets({"a"}).error().kind ==
            ErrorKind::usage);
    }
    TEST_CASE("what is printed is a bake file with the same targets") {
        const auto file = file_of(
            R"({"target": {"a": {"contexts": {"x": "target:b"}, "tags": []}, "b": {"args": {"A": "$${X}"}}, "c": {}}})");
        const auto text = file.to_json({"a"}, {"b", "a"});
        CHECK(text == R"({
  "group": {
    "default": {
      "targets": [
        "a"
      ]
    }
  },
  "target": {
    "a": {
      "contexts": {
        "x": "target:b"
      },
      "tags": []
    },
    "b": {
      "args": {
        "A": "$${X}"
      }
    }
  }
}
)");
        CHECK(file_of(text).target("b").words == Words{"--build-arg=A=${X}", "."});
    }
}
