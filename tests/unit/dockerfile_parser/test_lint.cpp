// SPDX-License-Identifier: Apache-2.0
// Each rule with a text that breaks it and one that does not, and what silences it.
#include "dockerfile_parser/lint.hpp"

#include "dockerfile_parser/check.hpp"

#include <doctest/doctest.h>

using namespace dbuild;
using namespace dbuild::dockerfile_parser;

namespace {

std::string warnings(std::string_view text) {
    std::string lines;
    for (const auto& diagnostic : check_dockerfile(text, "D").diagnostics)
        lines += std::to_string(diagnostic.where.first_line) + " " + diagnostic.rule + ": " + diagnostic.message + "\n";
    return lines;
}

struct Row {
    const char* text;
    const char* expected; // "" for none
};

} // namespace

TEST_SUITE("dockerfile_parser/lint") {
    TEST_CASE("every rule warns in BuildKit's words, and only where it should") {
        const Row rows[] = {
            {"FROM a AS Build\n", "1 StageNameCasing: Stage name 'Build' should be lowercase\n"},
            {"FROM a AS build\n", ""},
            {"FROM a as b\n", "1 FromAsCasing: 'as' and 'FROM' keywords' casing do not match\n"},
            {"from a as b\n", ""},
            {"FROM a\nRUN x \\\n\n  y\n", "4 NoEmptyContinuation: Empty continuation line\n"},
            {"FROM a\nRUN x \\\n # c\n  y\n", ""},
            {"FROM a\nRUN x\nrun y\n", "3 ConsistentInstructionCasing: Command 'run' should match the case of the "
                                       "command majority (uppercase)\n"},
            {"from a\nrun x\nRun y\n", "3 ConsistentInstructionCasing: Command 'Run' should match the case of the "
                                       "command majority (lowercase)\n"},
            {"FROM a AS b\nFROM c AS b\n",
             "2 DuplicateStageName: Duplicate stage name \"b\", stage names should be unique\n"},
            {"FROM a AS scratch\n",
             "1 ReservedStageName: Stage name should not use the same name as reserved stage \"scratch\"\n"},
            {"FROM a\nCMD x\n", "2 JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended "
                                "behavior related to OS signals\n"},
            {"FROM a\nCMD [\"x\"]\n", ""},
            {"FROM a\nSHELL [\"sh\", \"-c\"]\nCMD x\n", ""},
            {"FROM a\nMAINTAINER x\n",
             "2 MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label\n"},
            {"ARG TAGG=1\nFROM a:${TAG:-1}\n",
             "2 UndefinedArgInFrom: FROM argument 'TAG' is not declared (did you mean TAGG?)\n"},
            {"ARG TAGG=1\nFROM a:1$TAG\n",
             "2 UndefinedArgInFrom: FROM argument 'TAG' is not declared (did you mean TAGG?)\n"},
            {"FROM a\nWORKDIR b\n",
             "2 WorkdirRelativePath: Relative workdir \"b\" can have unexpected results if the base image changes\n"},
            {"FROM scratch\nENV a=b\nWORKDIR $a\n",
             "3 WorkdirRelativePath: Relative workdir \"b\" can have unexpected results if the base image changes\n"},
            {"FROM a\nWORKDIR $x\nWORKDIR b\n", ""}, // what the image may define may be absolute
            {"FROM a\nWORKDIR '/x'\n", ""},
            {"FROM a\nWORKDIR /x\nWORKDIR b\n", ""},
            {"FROM scratch\nCOPY $x /\n", "2 UndefinedVar: Usage of undefined variable '$x'\n"},
            {"FROM scratch\nARG folder\nCOPY $foldr /\n",
             "3 UndefinedVar: Usage of undefined variable '$foldr'\n"}, // no value, so not what was meant
            {"FROM scratch\nARG folder=x\nCOPY $foldr /\n",
             "3 UndefinedVar: Usage of undefined variable '$foldr' (did you mean $folder?)\n"},
            {"FROM scratch\nCOPY <<E /\n$x\nE\n", "2 UndefinedVar: Usage of undefined variable '$x'\n"},
            {"FROM scratch\nCOPY <<'E' /\n$x\nE\n", ""},
            {"FROM scratch\nENV A=$1$@\n",
             "2 UndefinedVar: Usage of undefined variable '$1'\n2 UndefinedVar: Usage of undefined variable '$@'\n"},
            {"from a\nenv b c\n",
             "2 LegacyKeyValueFormat: \"env key=value\" should be used instead of legacy \"env key value\" format\n"},
            {"FROM a\nWORKDIR b\nWORKDIR c\n",
             "2 WorkdirRelativePath: Relative workdir \"b\" can have unexpected results if the base image changes\n"},
            {"# check=experimental=InvalidDefinitionDescription\n# A is it\nARG A\n# b\n\nFROM a AS c\n",
             "6 InvalidDefinitionDescription: Comment for FROM should follow the format: `# c <description>`\n"},
            {"# check=experimental=all\n# b\nARG A C\nFROM a\n",
             "3 InvalidDefinitionDescription: Comment for ARG should follow the format: `# <arg_key> <description>`\n"},
            {"# b\nARG A\nFROM a\n", ""},
            {"FROM a\nCOPY $HOME /\n", ""},
            {"FROM scratch\nCOPY ${x:-y} /\nENV P=$PATH\n", "2 UndefinedVar: Usage of undefined variable '$x'\n"},
            {"FROM a\nCMD [\"x\"]\nCMD [\"y\"]\n", "2 MultipleInstructionsDisallowed: Multiple CMD instructions should "
                                                   "not be used in the same stage because only the "
                                                   "last one will be used\n"},
            {"FROM a\nENV x y\n",
             "2 LegacyKeyValueFormat: \"ENV key=value\" should be used instead of legacy \"ENV key value\" format\n"},
            {"FROM --platform=$TARGETPLATFORM a\n", "1 RedundantTargetPlatform: Setting platform to predefined "
                                                    "$TARGETPLATFORM in FROM is redundant as this is the "
                                                    "default behavior\n"},
            {"FROM --platform=linux/amd64 a\n",
             "1 FromPlatformFlagConstDisallowed: FROM --platform flag should not use constant value \"linux/amd64\"\n"},
            {"FROM --platform=linux/amd64 a AS build_amd64\n", ""},
            {"FROM --platform=$BUILDPLATFORM a\n", ""},
            {"FROM a\nARG API_TOKEN\n",
             "2 SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ARG \"API_TOKEN\")\n"},
            {"FROM a\nENV PUBLIC_KEY=x TOKENS=y\n", ""},
            {"ARG TAG\nFROM a:$TAG\n",
             "2 InvalidDefaultArgInFrom: Default value for ARG a:$TAG results in empty or invalid base image name\n"},
            {"ARG TAG=1\nFROM a:$TAG\n", ""},
            {"Arg a\nFrom a\nEnv b=c\n", // ARGs before the first FROM do not count
             "2 ConsistentInstructionCasing: Command 'From' should match the case of the command majority (uppercase)\n"
             "3 ConsistentInstructionCasing: Command 'Env' should match the case of the command majority "
             "(uppercase)\n"},
            {"FROM scratch\nRUN --mount=type=cache,target=/$x y\n",
             "2 UndefinedVar: Usage of undefined variable '$x'\n"},
            {"FROM scratch\nENV $x=1\n", "2 UndefinedVar: Usage of undefined variable '$x'\n"},
            {"FROM scratch\nENV A=$http_proxy B=$BUILDKIT_SBOM_SCAN_STAGE\n",
             "2 UndefinedVar: Usage of undefined variable '$http_proxy'\n"},
            {"FROM scratch\nENV abc=1\nUSER $ABC\n", "3 UndefinedVar: Usage of undefined variable '$ABC'\n"},
            {"FROM scratch\nENV A=1\nUSER $a\n",
             "3 UndefinedVar: Usage of undefined variable '$a' (did you mean $A?)\n"},
            {"FROM scratch\nEXPOSE $x\n", ""},
            {"ARG API_TOKEN\nFROM a\n", ""}, // it reaches no image
            {"FROM a\nENV 'MY_TOKEN'=1 $MY_KEY=2\n",
             "2 SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ENV \"MY_TOKEN\")\n"},
            {"FROM scratch\nENV p=80/TCP\nEXPOSE $p\n",
             "3 ExposeProtoCasing: Defined protocol '80/TCP' in EXPOSE instruction should be lowercase\n"},
            {"FROM a\nEXPOSE 80/TCP\n",
             "2 ExposeProtoCasing: Defined protocol '80/TCP' in EXPOSE instruction should be lowercase\n"},
            {"FROM a\nEXPOSE 80:80\n", "2 ExposeInvalidFormat: EXPOSE instruction should not define an IP address or "
                                       "host-port mapping, found '80:80'\n"},
        };
        for (const auto& [text, expected] : rows) {
            CAPTURE(std::string(text));
            CHECK(warnings(text) == expected);
        }
    }
    TEST_CASE("a stage knows what its parent stage declared") {
        CHECK(warnings("FROM scratch AS a\nARG x\nENV y=1\nFROM a\nCOPY $x $y /\n") == "");
    }
    TEST_CASE("the directive silences rules for the file, the comment above an instruction for that one") {
        CHECK(warnings("# check=skip=MaintainerDeprecated\nFROM a\nMAINTAINER x\nCMD x\n").starts_with("4 JSONArgs"));
        CHECK(warnings("# check=skip=all\nFROM a\nMAINTAINER x\nCMD x\n") == "");
        CHECK(warnings("FROM a\n# check=skip=MaintainerDeprecated\nMAINTAINER x\nMAINTAINER y\n")
                  .starts_with("4 Maintainer"));
    }
    TEST_CASE("a file that COPY or ADD names and the context leaves out is found when asked for") {
        const auto ignored = IgnoreMatcher::parse("a\ndir/x\n", ".dockerignore");
        REQUIRE(ignored);
        CheckContext context;
        context.ignored = &*ignored;
        const auto lines_of = [&](const std::string& text) {
            std::string lines;
            for (const auto& diagnostic : check_dockerfile(text, "D", context).diagnostics)
                lines += std::to_string(diagnostic.where.first_line) + " " + diagnostic.message + "\n";
            return lines;
        };
        const std::string text = "FROM b AS s\nCOPY \"a\" dir ./a /\nADD dir/x /\nCOPY --from=b a /\nCOPY $a /\n";
        CHECK(lines_of("# check=experimental=CopyIgnoredFile\n" + text) ==
              "3 Attempting to Copy file \"a\" that is excluded by .dockerignore\n"
              "4 Attempting to Add file \"dir/x\" that is excluded by .dockerignore\n");
        CHECK(lines_of(text).empty());
    }
    TEST_CASE("of a known base image the variables and the platform are judged") {
        CheckContext context;
        context.find_base = [](const std::string& image) -> std::optional<BaseImageFacts> {
            if (image != "a") return std::nullopt;
            return BaseImageFacts{{{"HOME", "/root"}, {"dir", "b"}}, "linux/arm64"};
        };
        const auto lines_of = [&](const std::string& text) {
            std::string lines;
            for (const auto& diagnostic : check_dockerfile(text, "D", context).diagnostics)
                lines += std::to_string(diagnostic.where.first_line) + " " + diagnostic.message + "\n";
            return lines;
        };
        CHECK(lines_of("FROM a\nENV A=$HOME$PATH B=$HOST\nWORKDIR $dir\n") ==
              "1 Base image a was pulled with platform \"linux/arm64\", expected \"linux/amd64\" for current build\n"
              "2 Usage of undefined variable '$HOST' (did you mean $HOME?)\n"
              "3 Relative workdir \"b\" can have unexpected results if the base image changes\n");
        CHECK(lines_of("FROM --platform=$BUILDPLATFORM/v8 x\nENV A=$b\n").find("Base image") == std::string::npos);
        context.platform = "linux/arm64";
        CHECK(lines_of("FROM a\nENV A=$HOME\n").empty());
    }
    TEST_CASE("build arguments decide what is judged") {
        CheckContext context;
        context.build_arguments = {{"dir", "b"}, {"none", "c"}};
        CHECK(check_dockerfile("FROM scratch\nARG dir=/a\nWORKDIR $dir\n", "D", context).warning_count() == 1);
        CHECK(check_dockerfile("FROM scratch\nARG dir\nWORKDIR /$none\n", "D", context).warning_count() == 1);
        CHECK(check_dockerfile("FROM scratch\nARG dir=/a\nWORKDIR $dir\n", "D").warning_count() == 0);
    }
    TEST_CASE("a trigger is judged in the stage that runs it, at its FROM, and only there") {
        CHECK(warnings("FROM scratch AS a\nONBUILD ENV b=$x\nONBUILD WORKDIR c\nFROM a AS d\nCOPY $b /\nFROM d\n") ==
              "4 UndefinedVar: Usage of undefined variable '$x'\n"
              "4 WorkdirRelativePath: Relative workdir \"c\" can have unexpected results if the base image changes\n");
    }
    TEST_CASE("a stage's variables end with it and what is based on it") {
        CHECK(warnings("FROM scratch AS a\nENV x=1\nFROM a AS b\nENV y=1\nFROM a\nENV z=$x$y\nFROM b\nENV z=$x$y\n"
                       "FROM scratch\nENV z=$x\n") ==
              "6 UndefinedVar: Usage of undefined variable '$y' (did you mean $x?)\n"
              "10 UndefinedVar: Usage of undefined variable '$x'\n");
    }
    TEST_CASE("the place is that of the word, on its own line") {
        const auto place_of = [](const std::string& text) {
            const auto diagnostics = check_dockerfile(text, "D").diagnostics;
            REQUIRE(diagnostics.size() == 1);
            const auto& one = diagnostics.front();
            return std::to_string(one.where.first_line) + ":" + std::to_string(one.where.column) + "+" +
                   std::to_string(one.length);
        };
        CHECK(place_of("FROM scratch\nENV a=1 \\\n  b=$x\n") == "3:4+2");
        CHECK(place_of("FROM scratch\nRUN --network=none --mount=type=cache,target=/$x y\n") == "2:19+29");
        CHECK(place_of("FROM scratch\n  CMD a CMD\n") == "2:2+3");
        CHECK(place_of("FROM a AS A\n") == "1:10+1");
        CHECK(place_of("FROM --platform=linux/amd64 linux/amd64\n") == "1:5+22");
        CHECK(place_of("FROM scratch\nARG A API_KEY=1\n") == "2:6+9");
        CHECK(place_of("FROM scratch\nEXPOSE 8/tcp 8/TCP\n") == "2:13+5");
        CHECK(place_of("FROM scratch\nCOPY <<E /a\n$x\nE\n") == "2:0+4");
    }
}
