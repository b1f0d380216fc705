// SPDX-License-Identifier: Apache-2.0
// All errors of a file, their columns, and the printed form.
#include "dockerfile_parser/check.hpp"

#include <doctest/doctest.h>

using namespace dbuild;
using namespace dbuild::dockerfile_parser;

namespace {

std::vector<std::string> found(std::string_view text) {
    std::vector<std::string> lines;
    for (const auto& diagnostic : check_dockerfile(text, "D").diagnostics)
        lines.push_back(std::to_string(diagnostic.where.first_line) + ":" + std::to_string(diagnostic.where.column) +
                        " " + diagnostic.message);
    return lines;
}
using Lines = std::vector<std::string>;

} // namespace

TEST_SUITE("dockerfile_parser/check") {
    TEST_CASE("errors of both passes are found, in file order") {
        CHECK(found("FROM a\nRUNN x\nENV y\nCOPY z\n") ==
              Lines{"2:0 unknown instruction: RUNN (did you mean RUN?)", "3:0 ENV must have two arguments",
                    "4:0 COPY requires at least two arguments, but only one was provided. Destination could not be "
                    "determined"});
    }
    TEST_CASE("a wrong FROM hides nothing, and the lines below it are not blamed") {
        CHECK(found("FROM a b\nRUN x\nSHELL y\n") == Lines{"1:0 FROM requires either one or three arguments",
                                                           "3:0 SHELL requires the arguments to be in JSON form"});
    }
    TEST_CASE("the column is that of the word the message names") {
        CHECK(found("FROM a\nCOPY --form=x a b\n") == Lines{"2:5 unknown flag: --form (did you mean from?)"});
        CHECK(found("FROM a AS 1x\n").front().starts_with("1:10 invalid name for build stage"));
        CHECK(found("FROM a\n  CPY a b\n") == Lines{"2:2 unknown instruction: CPY (did you mean COPY?)"});
    }
    TEST_CASE("what ends the search is an error as well") {
        CHECK(found("FROM a\nRUN <<E\nx\n") == Lines{"2:0 unterminated heredoc"});
        CHECK(found("") == Lines{"1:0 the Dockerfile cannot be empty"});
        CHECK(found("# escape=x\nFROM a\n").size() == 1);
    }
    TEST_CASE("stages are resolved too") {
        CHECK(found("FROM scratch\nCOPY --from=3 a /a\n") == Lines{"2:0 invalid stage index 3"});
    }
    TEST_CASE("wrong expansions are errors at their word, also in a continued line and behind a byte order mark") {
        CHECK(found("FROM a\nENV A=1 \\\n  B=${A^^} C=2\n") ==
              Lines{"3:4 failed to process \"${A^^}\": unsupported modifier (^) in substitution"});
        CHECK(found("FROM a\nCOPY --chown=$A --chmod=${ a b\n").front().starts_with("2:16 failed to process \"${\""));
        CHECK(found("FROM a\nCOPY [\"a\", \"'b\", \"c\"]\n").front().starts_with("2:11 failed to process \"'b\""));
        CHECK(found("FROM a\nARG A B=\"x\n").front().starts_with("2:6 failed to process"));
        CHECK(found("FROM a\nRUN --mount=target=${x!},type=cache y\n").front().starts_with("2:4 failed to process"));
        CHECK(found("FROM a\nCOPY <<E /f\n${x\nE\n").front().starts_with("2:0 "));
        CHECK(found("FROM a\nWORKDIR  /a'b\nUSER ${}\nEXPOSE 80 ${x\n").size() == 3);
        const std::string text = "FROM a\nLABEL x=y a=${b!}\n";
        const auto report = check_dockerfile(text, "D");
        REQUIRE(report.diagnostics.size() == 1);
        CHECK(to_text(report.diagnostics, text).find("      |             ^~~~~\n") != std::string::npos);
    }
    TEST_CASE("a variable that must be set is missed only where nothing can set it") {
        CHECK(found("FROM scratch\nENV A=${B:?no}\n") == Lines{"2:6 failed to process \"${B:?no}\": B: no"});
        CHECK(found("FROM scratch\nENV B=\nENV A=${B:?no}\n").size() == 1);
        CHECK(found("FROM scratch AS p\nENV B=\nFROM p\nENV A=${B:?no}\n").size() == 1);
        CHECK(found("FROM scratch\nENV B=1\nENV A=${B:?no}\n").empty());
        CHECK(found("FROM scratch\nARG B\nENV A=${B:?no}\n").empty());
        CHECK(found("FROM a\nENV A=${B:?no}\n").empty());
        CHECK(found("FROM scratch\nARG B\nENV C=$B\nENV A=${C:?no}\n").empty());
    }
    TEST_CASE("what EXPOSE, STOPSIGNAL and VOLUME do not take is an error where no build argument can set it right") {
        CHECK(found("FROM a\nEXPOSE 80 web\n") == Lines{"2:10 invalid containerPort: web"});
        CHECK(found("FROM scratch\nENV p=web\nEXPOSE 80 $p\n") == Lines{"3:10 invalid containerPort: web"});
        CHECK(found("FROM a\nSTOPSIGNAL SIGNONE\n") == Lines{"2:11 invalid signal: SIGNONE"});
        CHECK(found("FROM scratch\nVOLUME $v\n") == Lines{"2:7 VOLUME specified can not be an empty string"});
        CHECK(found("FROM a\nVOLUME $v\n").empty());
        CHECK(found("FROM scratch\nARG p=web\nEXPOSE 80 $p\nEXPOSE 80:80\n").size() == 1); // the form, a warning
    }
    TEST_CASE("a trigger of another stage is judged at the FROM that runs it") {
        CHECK(found("FROM scratch AS a\nONBUILD COPY --nonsense b c\nFROM a\n") ==
              Lines{"3:0 unknown flag: --nonsense"});
        CHECK(found("FROM scratch AS a\nONBUILD COPY --from=7 b c\nFROM a\n") == Lines{"3:0 invalid stage index 7"});
        CHECK(found("FROM scratch AS a\nONBUILD ENV b=${c!}\nFROM a\n").size() == 1);
        CHECK(found("FROM scratch AS a\nONBUILD COPY --nonsense b c\nCOPY a /a\n").empty());
        CHECK(found("# escape=`\nFROM scratch AS a\nONBUILD ENV b=c` d\nCOPY a /\nFROM a\n") ==
              Lines{"5:0 Syntax error - can't find = in \"d\". Must be of the form: name=value"}); // a trigger's escape
                                                                                                   // is "\"
    }
    TEST_CASE("a wrong check directive is an error") {
        CHECK(found("# check=foo\nFROM a\n") ==
              Lines{"1:0 failed to parse check options: invalid check option \"foo\""});
    }
    TEST_CASE("warnings fail only where the file says so") {
        CHECK_FALSE(check_dockerfile("FROM a\nMAINTAINER x\n", "D").has_failed());
        CHECK(check_dockerfile("# check=error=true\nFROM a\nMAINTAINER x\n", "D").has_failed());
        CHECK(check_dockerfile("FROM a\nRUNN\n", "D").has_failed());
    }
    TEST_CASE("the printed form shows the line and a caret, tabs kept") {
        const std::string text = "FROM a\n\tCOPY --form=x a b\n";
        const auto report = check_dockerfile(text, "D");
        REQUIRE(report.diagnostics.size() == 1);
        CHECK(to_text({report.diagnostics[0]}, text) == "D:2:7: error: unknown flag: --form (did you mean from?)\n"
                                                        "    2 | \tCOPY --form=x a b\n"
                                                        "      | \t     ^~~~~~\n");
    }
}
