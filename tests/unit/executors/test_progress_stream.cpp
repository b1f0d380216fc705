// SPDX-License-Identifier: Apache-2.0
// The rawjson stream of buildx: objects, text between them, and cuts at any byte.
#include "executors/buildx/progress_stream.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace dbuild;
using namespace dbuild::executors::buildx;

namespace {

struct Told {
    std::vector<VertexState> vertexes;
    std::vector<std::string> outputs, texts;
};

Told read(std::string_view stream, std::size_t piece) {
    Told told;
    ProgressStream progress({[&](const VertexState& vertex) { told.vertexes.push_back(vertex); },
                             [&](std::string_view vertex, std::string_view bytes) {
                                 told.outputs.push_back(std::string(vertex) + "|" + std::string(bytes));
                             },
                             [&](std::string_view line) { told.texts.emplace_back(line); }});
    for (std::size_t at = 0; at < stream.size(); at += piece) progress.feed(stream.substr(at, piece));
    progress.finish();
    return told;
}

constexpr std::string_view k_stream = R"(warning: first
{
  "vertexes": [
    {"digest": "sha256:a", "name": "[1/2] RUN echo {", "started": "2026-11-21T05:43:13.5Z"}
  ]
}
{"logs":[{"vertex":"sha256:a","stream":1,"data":"aGVsbG8K"},{"vertex":"sha256:a","stream":2,"data":"eA=="}]}
{"vertexes":[{"digest":"sha256:a","name":"x","started":"2026-11-21T05:43:13.5Z","completed":"2026-11-21T05:43:14Z","cached":true,"error":"exit code: 3"}]}
ERROR: failed to solve)";

} // namespace

TEST_SUITE_BEGIN("executors/progress_stream");

TEST_CASE("objects and text are told in order, wherever the stream is cut") {
    for (std::size_t piece = 1; piece <= k_stream.size(); ++piece) {
        CAPTURE(piece);
        const auto told = read(k_stream, piece);
        REQUIRE(told.vertexes.size() == 2);
        CHECK(told.vertexes[0].name == "[1/2] RUN echo {");
        CHECK(told.vertexes[0].started == parse_rfc3339("2026-11-21T05:43:13.5Z"));
        CHECK_FALSE(told.vertexes[0].completed);
        CHECK_FALSE(told.vertexes[0].is_cached);
        CHECK(told.vertexes[1].completed == parse_rfc3339("2026-11-21T05:43:14Z"));
        CHECK(told.vertexes[1].is_cached);
        CHECK(told.vertexes[1].error == "exit code: 3");
        CHECK(told.outputs == std::vector<std::string>{"sha256:a|hello\n", "sha256:a|x"});
        CHECK(told.texts == std::vector<std::string>{"warning: first", "ERROR: failed to solve"});
    }
}

TEST_CASE("a line that only looks like an object is text, and the stream goes on") {
    const std::string stream = "{not json}\n{\"logs\":[{\"vertex\":\"v\",\"data\":\"eA==\"}]}\n";
    const auto told = read(stream, stream.size());
    REQUIRE(told.texts.size() == 1);
    CHECK(told.texts[0].find("not json}") != std::string::npos);
    CHECK(told.outputs == std::vector<std::string>{"v|x"});
}

TEST_CASE("a line that only looks like an object keeps its text wherever the stream is cut") {
    const std::string stream = "{not json}\n";
    for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
        CAPTURE(piece);
        const auto told = read(stream, piece);
        REQUIRE(told.texts.size() == 1);
        CHECK(told.texts[0].find("{not json}") != std::string::npos);
    }
}

TEST_CASE("objects of unexpected shape are passed over") {
    const auto told =
        read(R"({"vertexes":null,"logs":3}{"vertexes":[1,null]}{}{"logs":[{"vertex":"v","data":"%"}]})", 1000);
    CHECK(told.vertexes.empty());
    CHECK(told.texts.empty());
}

TEST_CASE("vertex numbers are read with and without a stage name") {
    const auto number = [](std::string_view name) {
        const auto found = vertex_number(name);
        return found ? std::to_string(found->number) + "/" + std::to_string(found->total) : "none";
    };
    CHECK(number("[2/4] RUN make") == "2/4");
    CHECK(number("[build 12/30] COPY . .") == "12/30");
    for (const auto* name :
         {"[internal] load build context", "exporting to image", "[2/] x", "[a/b] x", "[1/2 x", "", "[-1/2] x"})
        CHECK(number(name) == "none");
}

TEST_SUITE_END();
