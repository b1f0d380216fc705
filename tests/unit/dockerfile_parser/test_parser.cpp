// SPDX-License-Identifier: Apache-2.0
// Whole files: stages, global arguments, and the errors around them.
#include "dockerfile_parser/parser.hpp"

#include <doctest/doctest.h>

using namespace dbuild;
using namespace dbuild::dockerfile_parser;

namespace {

Error error_of(std::string_view text) {
    auto result = parse_dockerfile(text, "Dockerfile");
    REQUIRE_FALSE(result);
    CHECK(result.error().kind == ErrorKind::invalid_dockerfile);
    REQUIRE(result.error().where);
    CHECK(result.error().where->file == "Dockerfile");
    return result.error();
}

} // namespace

TEST_SUITE("dockerfile_parser/parser") {
    TEST_CASE("instructions are collected in stages, ARGs before the first FROM are global") {
        const auto file = parse_dockerfile("# syntax=x\nARG A=1\nfrom a as Build\nRUN b\nFROM c\n", "Dockerfile");
        REQUIRE(file);
        CHECK(file->syntax == "x");
        CHECK(file->escape == '\\');
        CHECK(file->global_args.size() == 1);
        REQUIRE(file->stages.size() == 2);
        CHECK(file->stages[0].from.stage_name == "build");
        CHECK(file->stages[0].from.image == "a");
        CHECK(file->stages[0].text == "from a as Build");
        CHECK(file->stages[0].instructions.size() == 1);
        CHECK(file->stages[1].index == 1);
        CHECK(file->stages[1].where.first_line == 5);
    }
    TEST_CASE("an instruction keeps its physical lines and its joined line") {
        const auto file = parse_dockerfile("FROM a\n  run x \\\n # c\n  y <<E\nbody\nE\nCMD z\n", "Dockerfile");
        REQUIRE(file);
        const Instruction& run = file->stages[0].instructions[0];
        CHECK(run.keyword == "RUN");
        CHECK(run.source == "  run x \\\n # c\n  y <<E\nbody\nE");
        CHECK(run.text == "run x   y <<E");
        CHECK(run.where == SourceSpan{"Dockerfile", 2, 6, 0});
    }
    TEST_CASE("files without a stage are refused") {
        CHECK(error_of("").message == "the Dockerfile cannot be empty");
        CHECK(error_of("# a\n\n").message == "file with no instructions");
        CHECK(error_of("ARG a\n").message == "dockerfile contains no stages to build");
        CHECK(error_of("RUN a\n").message.ends_with("no build stage in current context"));
    }
    TEST_CASE("an unknown instruction is refused on its line with the nearest keyword") {
        const Error error = error_of("FROM a\n\nRUNN b\n");
        CHECK(error.message == "dockerfile parse error on line 3: unknown instruction: RUNN (did you mean RUN?)");
        CHECK(error.where->first_line == 3);
    }
    TEST_CASE("a syntax error of a later line wins over an unknown instruction") {
        CHECK(error_of("FROM a\nRNU b\nENV x\n").message ==
              "dockerfile parse error on line 3: ENV must have two arguments");
    }
}
