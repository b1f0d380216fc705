// SPDX-License-Identifier: Apache-2.0
// The front end alone, for benchmarks/parse: reads a Dockerfile once, then parses it, makes the stage graph and expands
// all needed stages, base images being empty ones, and lists the variables of each RUN, RUNS times.
// Usage: dbuild_parse_tool FILE RUNS; prints a line with four medians in microseconds: parsing, stage graph, expansion,
// variables.
#include "dockerfile_parser/parser.hpp"
#include "dockerfile_parser/stage_graph.hpp"
#include "orchestrator/stage_state.hpp"
#include "support/files.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fmt/format.h>

using namespace dbuild;
namespace parser = dbuild::dockerfile_parser;

namespace {

using Clock = std::chrono::steady_clock;

double microseconds(Clock::time_point from, Clock::time_point to) {
    return std::chrono::duration<double, std::micro>(to - from).count();
}

struct Times {
    std::vector<double> parsing, graph, expansion, variables;
};

using Stages = std::map<int, orchestrator::ResolvedStage>;

Result<Stages> expand(const parser::Dockerfile& dockerfile, const parser::StageGraph& graph) {
    const std::map<std::string, std::string> build_arguments = {{"VERSION", "1.2.3"}};
    DBUILD_TRY_ASSIGN(const auto globals, parser::global_arguments(dockerfile, "", build_arguments, "linux/amd64"));
    const orchestrator::StageInputs inputs{&dockerfile, &build_arguments, &globals};
    Stages stages;
    for (const int index : graph.needed) {
        const auto& node = graph.stages[static_cast<std::size_t>(index)];
        auto initial = node.base.kind == parser::StageReference::Kind::stage
                           ? orchestrator::state_from_stage(stages.at(node.base.stage_index).final)
                           : orchestrator::state_from_scratch("linux", "amd64", "");
        DBUILD_TRY_ASSIGN(auto stage, orchestrator::resolve_stage(inputs, node, std::move(initial)));
        stages.emplace(index, std::move(stage));
    }
    return stages;
}

/// What the key of each RUN begins with.
std::size_t count_variables(const Stages& stages) {
    std::size_t count = 0;
    for (const auto& [index, stage] : stages)
        for (const auto& step : stage.steps)
            if (std::holds_alternative<orchestrator::RunOperation>(step.operation))
                count += step.before.variables().size();
    return count;
}

Status measure(const std::string& file, int runs, Times& times) {
    DBUILD_TRY_ASSIGN(const auto text, read_file(file));
    for (int run = 0; run < runs; ++run) {
        const auto start = Clock::now();
        DBUILD_TRY_ASSIGN(const auto dockerfile, parser::parse_dockerfile(text, file));
        const auto parsed = Clock::now();
        DBUILD_TRY_ASSIGN(const auto graph, parser::build_stage_graph(dockerfile, "", {}, "linux/amd64"));
        const auto linked = Clock::now();
        DBUILD_TRY_ASSIGN(const auto stages, expand(dockerfile, graph));
        const auto expanded = Clock::now();
        const volatile auto count = count_variables(stages); // so that it is not left out
        (void)count;
        times.parsing.push_back(microseconds(start, parsed));
        times.graph.push_back(microseconds(parsed, linked));
        times.expansion.push_back(microseconds(linked, expanded));
        times.variables.push_back(microseconds(expanded, Clock::now()));
    }
    return {};
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

} // namespace

int main(int count, char** words) {
    const int runs = count == 3 ? std::atoi(words[2]) : 0;
    if (runs < 1) {
        fmt::print(stderr, "usage: dbuild_parse_tool FILE RUNS\n");
        return 2;
    }
    Times times;
    if (const auto done = measure(words[1], runs, times); !done) {
        fmt::print(stderr, "{}: {}\n", words[1], done.error().message);
        return 1;
    }
    fmt::print("{:.1f} {:.1f} {:.1f} {:.1f}\n", median(times.parsing), median(times.graph), median(times.expansion),
               median(times.variables));
    return 0;
}
