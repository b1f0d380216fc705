// SPDX-License-Identifier: Apache-2.0
// `# dbuild:` comments: where they count, what they say, and what is only warned of.
#include "dockerfile_parser/step_directives.hpp"

#include "dockerfile_parser/check.hpp"
#include "dockerfile_parser/parser.hpp"

#include <doctest/doctest.h>

using namespace dbuild;
using namespace dbuild::dockerfile_parser;
using namespace std::chrono_literals;

namespace {

/// A stage of one instruction below the comments.
Dockerfile parse(const std::string& comments, const std::string& instruction = "RUN make") {
    auto dockerfile = parse_dockerfile("FROM scratch\n" + comments + instruction + "\n", "Dockerfile");
    REQUIRE(dockerfile);
    return std::move(*dockerfile);
}

StepDirectives directives(const std::string& comments, const std::string& instruction = "RUN make") {
    const auto dockerfile = parse(comments, instruction);
    CHECK(dockerfile.directive_warnings.empty());
    return dockerfile.stages.front().instructions.back().directives;
}

void check_warning(const std::string& comments, const std::string& instruction, const std::string& message) {
    const auto dockerfile = parse(comments, instruction);
    REQUIRE(dockerfile.directive_warnings.size() == 1);
    CHECK(dockerfile.directive_warnings.front().message == message);
    CHECK(dockerfile.directive_warnings.front().where.first_line == 3);
}

} // namespace

TEST_SUITE_BEGIN("dockerfile_parser/step_directives");

TEST_CASE("comments directly above an instruction count, several of them together") {
    CHECK(directives("# dbuild: ttl=24h\n").time_to_live == 24h);
    CHECK(directives("#dbuild:ttl=1h30m\n# why\n#  dbuild:  no-cutoff\n").time_to_live == 90min);
    CHECK(directives("# dbuild: ttl=0, no-cutoff\n").time_to_live == 0ns);
    CHECK(directives("# dbuild: ttl=0, no-cutoff\n").has_no_cutoff);
    CHECK(directives("# dbuild: ttl=forever\n").time_to_live == std::chrono::nanoseconds::max());
    CHECK(directives("# dbuild: no-cutoff\n", "COPY a b").has_no_cutoff);
}

TEST_CASE("an empty line or another instruction between ends what a comment is about") {
    CHECK_FALSE(directives("# dbuild: ttl=24h\n\n").time_to_live);
    CHECK_FALSE(directives("# dbuild: ttl=24h\nRUN first\n").time_to_live);
    CHECK_FALSE(directives("", "RUN a \\\n# dbuild: ttl=24h\n b").time_to_live);
    CHECK_FALSE(directives("RUN <<EOF\n# dbuild: ttl=24h\nEOF\n").time_to_live);
    CHECK_FALSE(directives("# dbuildx: ttl=24h\n# not dbuild: ttl=24h\n").time_to_live);
}

TEST_CASE("what means nothing is a warning with its reason, and the rest counts") {
    check_warning("# dbuild: tll=24h\n", "RUN make",
                  "\"# dbuild: tll=24h\" is ignored: no such directive (did you mean ttl?)");
    check_warning("# dbuild: ttl\n", "RUN make", "\"# dbuild: ttl\" is ignored: time: invalid duration \"\"");
    check_warning("# dbuild: ttl=-1h\n", "RUN make",
                  "\"# dbuild: ttl=-1h\" is ignored: a time to live cannot be negative");
    check_warning("# dbuild: ttl=1d\n", "RUN make",
                  "\"# dbuild: ttl=1d\" is ignored: time: unknown unit \"d\" in duration \"1d\"");
    check_warning("# dbuild: ttl=1h\n", "COPY a b", "\"# dbuild: ttl=1h\" is ignored: ttl is for RUN");
    check_warning("# dbuild: no-cutoff=yes\n", "RUN make",
                  "\"# dbuild: no-cutoff=yes\" is ignored: no-cutoff takes no value");
    check_warning("# dbuild: no-cutoff\n", "ENV A=1",
                  "\"# dbuild: no-cutoff\" is ignored: no-cutoff is for RUN, COPY, ADD and WORKDIR");
    const auto dockerfile = parse("# dbuild: ttl=24h what\n");
    CHECK(dockerfile.directive_warnings.size() == 1);
    CHECK(dockerfile.stages.front().instructions.back().directives.time_to_live == 24h);
}

TEST_CASE("`dbuild check` tells of them by a rule's name, which can be skipped") {
    const auto report = check_dockerfile("# dbuild: ttl=24h\nFROM scratch\nCOPY a b\n", "Dockerfile");
    REQUIRE(report.warning_count() == 1);
    CHECK(report.diagnostics.front().rule == "DbuildDirective");
    CHECK(check_dockerfile("# check=skip=DbuildDirective\n# dbuild: no\nFROM scratch\nCOPY a b\n", "Dockerfile")
              .warning_count() == 0);
}

TEST_SUITE_END();
