// SPDX-License-Identifier: Apache-2.0
#include "dockerfile_parser/triggers.hpp"

#include "dockerfile_parser/parser.hpp"

#include <doctest/doctest.h>

using namespace dbuild;
using namespace dbuild::dockerfile_parser;

namespace {

const SourceSpan k_from{"D", 7, 8, 0};

std::string error_of(const std::string& trigger) {
    const auto parsed = parse_trigger(trigger, '\\', k_from);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().kind == ErrorKind::invalid_dockerfile);
    CHECK(parsed.error().where == k_from);
    return parsed.error().message;
}

} // namespace

TEST_SUITE("dockerfile_parser/triggers") {
    TEST_CASE("a trigger is an instruction at the FROM line that runs it") {
        const auto parsed = parse_trigger("copy --from=x a b", '\\', k_from);
        REQUIRE(parsed);
        CHECK(parsed->keyword == "COPY");
        CHECK(parsed->source == "copy --from=x a b");
        CHECK(parsed->where == k_from);
        CHECK(parsed->is_trigger);
        CHECK(std::get<CopyInstruction>(parsed->body).from == "x");
    }
    TEST_CASE("a trigger keeps its heredocs") {
        const auto dockerfile = parse_dockerfile("FROM a\nONBUILD RUN <<E\nx\ny\nE\n", "D");
        REQUIRE(dockerfile);
        const auto triggers = triggers_of(dockerfile->stages[0]);
        REQUIRE(triggers.size() == 1);
        const auto parsed = parse_trigger(triggers[0], '\\', k_from);
        REQUIRE(parsed);
        CHECK(parsed->source == "RUN <<E\nx\ny\nE");
        const auto& run = std::get<RunInstruction>(parsed->body);
        CHECK(run.is_heredoc_alone);
        CHECK(run.heredocs.at(0).body == "x\ny\n");
    }
    TEST_CASE("what the build of the base took is refused when it is run, in BuildKit's words") {
        CHECK(error_of("COPY --nonsense a b") == "unknown flag: --nonsense");
        CHECK(error_of("ENV K") == "ENV must have two arguments");
        CHECK(error_of("CMD [1]") == "when using JSON array syntax, arrays must be comprised of strings only");
        CHECK(error_of("RUN a\nRUN b") == "onbuild trigger should be a single expression");
        CHECK(error_of("# comment") == "file with no instructions");
        CHECK(error_of("FROM a") == "FROM isn't allowed as an ONBUILD trigger");
        CHECK(error_of("NOPE").starts_with("unknown instruction: NOPE"));
    }
    TEST_CASE("triggers come before the stage's own instructions, in order") {
        auto dockerfile = parse_dockerfile("FROM a\nUSER own\n", "D");
        REQUIRE(dockerfile);
        Stage& stage = dockerfile->stages[0];
        REQUIRE(add_triggers(stage, {"WORKDIR /w", "ONBUILD RUN x"}, '\\'));
        REQUIRE(stage.instructions.size() == 3);
        CHECK(stage.instructions[0].keyword == "WORKDIR");
        CHECK(stage.instructions[2].keyword == "USER");
        CHECK_FALSE(stage.instructions[2].is_trigger);
        CHECK(triggers_of(stage) == std::vector<std::string>{"RUN x"});
    }
    TEST_CASE("a wrong trigger adds none") {
        auto dockerfile = parse_dockerfile("FROM a\nUSER own\n", "D");
        REQUIRE(dockerfile);
        CHECK_FALSE(add_triggers(dockerfile->stages[0], {"WORKDIR /w", "NOPE"}, '\\'));
        CHECK(dockerfile->stages[0].instructions.size() == 1);
    }
    TEST_CASE("below an escape directive a trigger is read with its own escape, and written with the other") {
        const auto source_of = [](const std::string& trigger) {
            const auto parsed = parse_trigger(trigger, '`', k_from);
            return parsed ? parsed->source : std::string();
        };
        CHECK(source_of("RUN plain") == "RUN plain");
        CHECK(source_of("RUN a \\$b `c` d \\") == "RUN a \\$b `c` d"); // the last one continues nothing
        CHECK(source_of("RUN --mount=type=bind,target=/a\\ b\\`c x") == "RUN --mount=type=bind,target=/a` b``c x");
        CHECK(source_of("RUN <<E\nx \\\ny `\nE") == "RUN <<E\nx \\\ny `\nE");
        CHECK(source_of("ENV a=b`c d='e\\f'") == "ENV a=b`c d='e\\f'");
        CHECK(source_of("CMD [\"a\\\\b\"]") == "CMD [\"a\\\\b\"]");
        const auto copy = parse_trigger("COPY --chown=1\\2 a\\b c", '`', k_from);
        REQUIRE(copy);
        CHECK(std::get<CopyInstruction>(copy->body).chown == "12");
        CHECK(std::get<CopyInstruction>(copy->body).sources == std::vector<std::string>{"a\\b"});
        CHECK(copy->source == "COPY --chown=12 a\\b c");
    }
    TEST_CASE("what the other escape cannot say is unsupported") {
        for (const char* trigger : {"RUN a `", "ENV a=b\\ c", "ENV a=b` c=d"}) {
            CAPTURE(std::string(trigger));
            const auto parsed = parse_trigger(trigger, '`', k_from);
            REQUIRE_FALSE(parsed);
            CHECK(parsed.error().kind == ErrorKind::unsupported);
            CHECK(parsed.error().where == k_from);
        }
    }
}
