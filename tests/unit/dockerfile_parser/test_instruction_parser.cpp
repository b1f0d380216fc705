// SPDX-License-Identifier: Apache-2.0
// Flags, argument counts and values of every instruction.
#include "dockerfile_parser/instruction_parser.hpp"
#include "dockerfile_parser/parser.hpp"

#include <doctest/doctest.h>

using namespace dbuild;
using namespace dbuild::dockerfile_parser;
using namespace std::chrono_literals;

namespace {

using Words = std::vector<std::string>;

template <class T>
T parse(std::string_view line) {
    auto file = parse_dockerfile("FROM a\n" + std::string(line), "Dockerfile");
    REQUIRE_MESSAGE(file, line);
    return std::get<T>(file->stages[0].instructions.at(0).body);
}

// Without the part that names the line.
std::string error(std::string_view line) {
    const auto file = parse_dockerfile("FROM a\n" + std::string(line), "Dockerfile");
    if (file) return "";
    CHECK(file.error().where.value().first_line == 2);
    constexpr std::string_view prefix = "dockerfile parse error on line 2: ";
    const std::string& message = file.error().message;
    return message.starts_with(prefix) ? message.substr(prefix.size()) : "without a line: " + message;
}

} // namespace

TEST_SUITE("dockerfile_parser/instruction_parser") {
    TEST_CASE("FROM takes one or three words and checks the stage name") {
        CHECK(error("FROM a b") == "FROM requires either one or three arguments");
        CHECK(error("FROM a is b") == "FROM requires either one or three arguments");
        CHECK(error("FROM a AS 1b").starts_with("invalid name for build stage: \"1b\""));
        CHECK(error("FROM --plattform=x a") == "unknown flag: --plattform (did you mean platform?)");
        const auto file = parse_dockerfile("FROM --platform=$P a\n", "Dockerfile");
        REQUIRE(file);
        CHECK(file->stages[0].from.platform == "$P");
    }
    TEST_CASE("ARG takes several names, with and without values, and drops flags") {
        const auto arg = parse<ArgInstruction>("ARG --foo a b= c=\"x y\"");
        REQUIRE(arg.items.size() == 3);
        CHECK_FALSE(arg.items[0].value);
        CHECK(arg.items[1].value == "");
        CHECK(arg.items[2].value == "\"x y\"");
        CHECK(error("ARG") == "ARG requires at least one argument");
        CHECK(error("ARG =a") == "ARG names can not be blank");
    }
    TEST_CASE("ENV and LABEL have a legacy form with one pair") {
        const auto legacy = parse<EnvInstruction>("ENV a b=c  d");
        REQUIRE(legacy.pairs.size() == 1);
        CHECK(legacy.pairs[0].key == "a");
        CHECK(legacy.pairs[0].value == "b=c  d");
        const auto pairs = parse<LabelInstruction>("LABEL a=\"b c\" d=e\\ f");
        REQUIRE(pairs.pairs.size() == 2);
        CHECK(pairs.pairs[0].value == "\"b c\"");
        CHECK(pairs.pairs[1].value == "e\\ f");
        CHECK(error("ENV a=b c") == "Syntax error - can't find = in \"c\". Must be of the form: name=value");
        CHECK(error("ENV =a") == "ENV names can not be blank");
        CHECK(error("LABEL") == "LABEL requires at least one argument");
        CHECK(error("ENV --x a=b") == "unknown flag: --x");
    }
    TEST_CASE("RUN has a shell and an exec form, and keeps its flags") {
        const auto run = parse<RunInstruction>("RUN --mount=type=cache,target=/c --network=none --mount=type=ssh a  b");
        CHECK(run.mounts == Words{"type=cache,target=/c", "type=ssh"});
        CHECK(run.network == "none");
        CHECK_FALSE(run.command.is_exec_form);
        CHECK(run.command.words == Words{"a  b"});
        CHECK(parse<RunInstruction>("RUN [\"a\", \"b\"]").command.is_exec_form);
        CHECK(parse<RunInstruction>("RUN ['a']").command.words == Words{"['a']"});
        CHECK(parse<RunInstruction>("RUN").command.words == Words{""});
    }
    TEST_CASE("RUN --mount refuses malformed CSV and variables in from") {
        CHECK(error("RUN --mount=type=bind,from=$X,target=/x a") ==
              "'from' doesn't support variable expansion, define alias stage instead");
        CHECK(error("RUN --mount='type=bind,\"x' a").starts_with("invalid --mount"));
    }
    TEST_CASE("RUN with an empty array is left to BuildKit") {
        const auto file = parse_dockerfile("FROM a\nRUN []\n", "Dockerfile");
        REQUIRE_FALSE(file);
        CHECK(file.error().kind == ErrorKind::unsupported);
    }
    TEST_CASE("COPY and ADD have their own flags") {
        const auto copy = parse<CopyInstruction>("COPY --from=x --chown=a:b --chmod=644 --link --parents --exclude=*.o "
                                                 "--exclude=y a b /c/");
        CHECK_FALSE(copy.is_add);
        CHECK(copy.from == "x");
        CHECK(copy.chown == "a:b");
        CHECK(copy.chmod == "644");
        CHECK(copy.link);
        CHECK(copy.parents);
        CHECK(copy.excludes == Words{"*.o", "y"});
        CHECK(copy.sources == Words{"a", "b"});
        CHECK(copy.destination == "/c/");
        const auto add = parse<CopyInstruction>("ADD --keep-git-dir --checksum=sha256:0 --unpack=false a b");
        CHECK(add.is_add);
        CHECK(add.keep_git_dir);
        CHECK(add.unpack == false);
        CHECK_FALSE(parse<CopyInstruction>("ADD a b").unpack);
        CHECK(error("ADD --from=x a b") == "unknown flag: --from");
        CHECK(error("ADD --parents a b") == "unknown flag: --parents");
        CHECK(error("COPY --unpack a b") == "unknown flag: --unpack");
    }
    TEST_CASE("COPY needs a destination, and names with blanks need JSON") {
        CHECK(error("COPY a").starts_with("COPY requires at least two arguments, but only one was provided."));
        CHECK(parse<CopyInstruction>("COPY [\"a b\", \"c\"]").sources == Words{"a b"});
        CHECK(parse<CopyInstruction>("COPY \"a b\" c").sources == Words{"\"a", "b\""});
    }
    TEST_CASE("COPY heredocs are files beside the other sources, and never the destination") {
        const auto copy = parse<CopyInstruction>("COPY a <<x <<'y' /d/\n1\nx\n2\ny\n");
        CHECK(copy.sources == Words{"a"});
        REQUIRE(copy.heredocs.size() == 2);
        CHECK(copy.heredocs[0].body == "1\n");
        CHECK(copy.heredocs[0].expands);
        CHECK(copy.heredocs[1].name == "y");
        CHECK_FALSE(copy.heredocs[1].expands);
        CHECK(error("COPY a <<x\n1\nx\n") == "COPY cannot accept a heredoc as a destination");
    }
    TEST_CASE("two heredocs of one name share the last body") {
        const auto copy = parse<CopyInstruction>("COPY <<x <<x /d/\n1\nx\n2\nx\n");
        REQUIRE(copy.heredocs.size() == 2);
        CHECK(copy.heredocs[0].body == "2\n");
    }
    TEST_CASE("CMD and ENTRYPOINT may be empty") {
        CHECK(parse<CmdInstruction>("CMD []").command.words.empty());
        CHECK(parse<CmdInstruction>("CMD []").command.is_exec_form);
        CHECK(parse<EntrypointInstruction>("ENTRYPOINT").command.words == Words{""});
        CHECK(error("CMD --x a") == "unknown flag: --x");
    }
    TEST_CASE("SHELL takes a JSON array with at least one word") {
        CHECK(parse<ShellInstruction>("SHELL [\"a\", \"-c\"]").words == Words{"a", "-c"});
        CHECK(error("SHELL a") == "SHELL requires the arguments to be in JSON form");
        CHECK(error("SHELL []") == "SHELL requires at least one argument");
    }
    TEST_CASE("single arguments keep their inner blanks") {
        CHECK(parse<WorkdirInstruction>("WORKDIR  /a  b ").path == "/a  b");
        CHECK(parse<UserInstruction>("USER a:b").user == "a:b");
        CHECK(parse<StopsignalInstruction>("STOPSIGNAL 9").signal == "9");
        CHECK(parse<MaintainerInstruction>("MAINTAINER A <b>").name == "A <b>");
        CHECK(error("USER") == "USER requires exactly one argument");
        CHECK(error("WORKDIR --x /a") == "unknown flag: --x");
    }
    TEST_CASE("EXPOSE sorts its ports as text, VOLUME refuses an empty path") {
        CHECK(parse<ExposeInstruction>("EXPOSE 9000 5000/udp $P").ports == Words{"$P", "5000/udp", "9000"});
        CHECK(error("EXPOSE") == "EXPOSE requires at least one argument");
        CHECK(parse<VolumeInstruction>("VOLUME [\"/a b\"]").paths == Words{"/a b"});
        CHECK(parse<VolumeInstruction>("VOLUME /a /b").paths == Words{"/a", "/b"});
        CHECK(error("VOLUME [\" \"]") == "VOLUME specified can not be an empty string");
    }
    TEST_CASE("HEALTHCHECK takes NONE, or CMD with durations") {
        const auto check =
            parse<HealthcheckInstruction>("HEALTHCHECK --interval=1m30s --timeout=0 --retries=3 cmd a b");
        CHECK(check.interval.value() == 90s);
        CHECK(check.timeout.value() == 0s);
        CHECK_FALSE(check.start_period);
        CHECK(check.retries == 3);
        CHECK(check.command.words == Words{"a b"});
        CHECK(parse<HealthcheckInstruction>("HEALTHCHECK --interval=5s NONE").is_none);
        CHECK(error("HEALTHCHECK") == "HEALTHCHECK requires at least one argument");
        CHECK(error("HEALTHCHECK NONE x") == "HEALTHCHECK NONE takes no arguments");
        CHECK(error("HEALTHCHECK TCP 1") == "Unknown type \"TCP\" in HEALTHCHECK (try CMD)");
        CHECK(error("HEALTHCHECK CMD []") == "Missing command after HEALTHCHECK CMD");
        CHECK(error("HEALTHCHECK --interval=1us CMD a") == "Interval \"interval\" cannot be less than 1ms");
        CHECK(error("HEALTHCHECK --retries=-1 CMD a") == "--retries cannot be negative (-1)");
        CHECK(error("HEALTHCHECK --retries=x CMD a") == "strconv.ParseInt: parsing \"x\": invalid syntax");
    }
    TEST_CASE("ONBUILD keeps the text of its trigger and does not check the trigger's flags") {
        CHECK(parse<OnbuildInstruction>("onbuild  COPY --nonsense a").text == "COPY --nonsense a");
        CHECK(parse<OnbuildInstruction>("ONBUILD RUN <<E\nx\nE\n").text == "RUN <<E\nx\nE");
        CHECK(error("ONBUILD") == "ONBUILD requires at least one argument");
        CHECK(error("ONBUILD ONBUILD RUN a") == "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
        CHECK(error("ONBUILD from a") == "FROM isn't allowed as an ONBUILD trigger");
    }
}
