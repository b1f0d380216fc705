// SPDX-License-Identifier: Apache-2.0
// The command line: which command and options come out, and what is wrong usage.
#include "orchestrator/command_line.hpp"

#include <doctest/doctest.h>

#include <cstdlib>

using namespace dbuild;
using namespace dbuild::orchestrator;

namespace {

using Words = std::vector<const char*>;
using Parsed = Result<std::variant<Command, PrintedText>>;

Parsed parse(const Words& words) { return parse_command_line(words); }

Command command(const Words& words) {
    auto parsed = parse(words);
    REQUIRE_MESSAGE(parsed, (parsed ? "" : parsed.error().message));
    REQUIRE(std::holds_alternative<Command>(*parsed));
    return std::get<Command>(std::move(*parsed));
}

std::string printed(const Words& words) {
    const auto parsed = parse(words);
    REQUIRE(parsed);
    REQUIRE(std::holds_alternative<PrintedText>(*parsed));
    return std::get<PrintedText>(*parsed).text;
}

std::string usage_error(const Words& words) {
    const auto parsed = parse(words);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().kind == ErrorKind::usage);
    return parsed.error().message;
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

} // namespace

TEST_SUITE("orchestrator/command_line") {
    TEST_CASE("the first word names the command, and none means build") {
        CHECK(command({"."}).name == CommandName::build);
        CHECK(command({"build", "."}).name == CommandName::build);
        CHECK(command({"plan", "."}).name == CommandName::plan);
        CHECK(command({"-q", "/"}).options.context == "/");
    }
    TEST_CASE("without options everything is at its default") {
        const auto parsed = command({"."});
        CHECK(parsed.progress == ProgressKind::plain);
        CHECK(parsed.executor == ExecutorKind::automatic);
        CHECK(parsed.options.dockerfile.empty());
        CHECK(parsed.options.tags.empty());
        CHECK(parsed.options.build_arguments.empty());
        CHECK_FALSE(parsed.options.ignores_cache);
        CHECK_FALSE(parsed.options.is_quiet);
    }
    TEST_CASE("options take their value after a blank, an equals sign, or directly, before and after the path") {
        const auto options = command({"build", "-f", "D", "-tone", "--tag=two", "--target", "s", "/", "-t", "three",
                                      "--no-cache", "--iidfile", "i", "--scope=x", "--report", "r"})
                                 .options;
        CHECK(options.dockerfile == "D");
        CHECK(options.tags == std::vector<std::string>{"one", "two", "three"});
        CHECK(options.target == "s");
        CHECK(options.context == "/");
        CHECK(options.ignores_cache);
        CHECK(options.image_id_file == "i");
        CHECK(options.scope == "x");
        CHECK(options.report == "r");
    }
    TEST_CASE("a Dockerfile on standard input is a dash") {
        CHECK(command({"-f", "-", "."}).options.dockerfile == "-");
    }
    TEST_CASE("a repeatable option takes one value each time, so that the path is not swallowed") {
        const auto options = command({"-t", "a", ".", "--label", "b=1", "--build-arg", "c=1"}).options;
        CHECK(options.tags.size() == 1);
        CHECK(options.context == ".");
    }
    TEST_CASE("build arguments keep every byte after the first equals sign, and the last of a name wins") {
        const auto values = command({"--build-arg", "a=1=2", "--build-arg=b=", "--build-arg", "c=x,\"y\" \\z",
                                     "--build-arg", "b=2", "."})
                                .options.build_arguments;
        CHECK(values == std::map<std::string, std::string>{{"a", "1=2"}, {"b", "2"}, {"c", "x,\"y\" \\z"}});
    }
    TEST_CASE("a build argument without a value is the environment's, and nothing when it is not set there") {
        ::setenv("DBUILD_TEST_ARGUMENT", "from environment", 1);
        ::unsetenv("DBUILD_TEST_NOT_SET");
        const auto values = command({"--build-arg", "DBUILD_TEST_ARGUMENT", "--build-arg", "DBUILD_TEST_NOT_SET", "."})
                                .options.build_arguments;
        ::unsetenv("DBUILD_TEST_ARGUMENT");
        CHECK(values == std::map<std::string, std::string>{{"DBUILD_TEST_ARGUMENT", "from environment"}});
    }
    TEST_CASE("a label without a value is empty") {
        CHECK(command({"--label", "a=1=2", "--label", "b", "."}).options.labels ==
              std::map<std::string, std::string>{{"a", "1=2"}, {"b", ""}});
    }
    TEST_CASE("quiet comes from either flag, but only -q prints the image ID alone") {
        CHECK(command({"-q", "."}).progress == ProgressKind::quiet);
        CHECK(command({"--quiet", "."}).options.is_quiet);
        const auto quiet = command({"--progress", "quiet", "."});
        CHECK(quiet.progress == ProgressKind::quiet);
        CHECK_FALSE(quiet.options.is_quiet);
    }
    TEST_CASE("the executor is chosen by name") {
        CHECK(command({"--executor", "buildx", "."}).executor == ExecutorKind::buildx);
        CHECK(command({"--executor=auto", "."}).executor == ExecutorKind::automatic);
    }
    TEST_CASE("the original arguments are kept without the command's name") {
        CHECK(command({"build", "-t", "a", "."}).options.original_arguments ==
              std::vector<std::string>{"-t", "a", "."});
        CHECK(command({"."}).options.original_arguments == std::vector<std::string>{"."});
    }
    TEST_CASE("help and version are texts to print, also without a path") {
        CHECK(contains(printed({"--help"}), "--build-arg"));
        CHECK(contains(printed({"plan", "-h"}), "--report"));
        CHECK(printed({"--version"}).starts_with("dbuild "));
        CHECK(printed({"--version"}).ends_with("\n"));
    }
    TEST_CASE("wrong usage names the flag or the path") {
        CHECK(contains(usage_error({}), "PATH"));
        CHECK(contains(usage_error({"build"}), "PATH"));
        CHECK(contains(usage_error({"/no/such/folder"}), "/no/such/folder"));
        CHECK(contains(usage_error({"/dev/null"}), "is not a folder"));
        CHECK(contains(usage_error({"--no-such-flag", "."}), "--no-such-flag"));
        CHECK(contains(usage_error({".", "--tag"}), "--tag"));
        CHECK(contains(usage_error({"--progress", "fancy", "."}), "--progress"));
        CHECK(contains(usage_error({"--executor", "magic", "."}), "--executor"));
        CHECK(contains(usage_error({"--executor", "runtime", "."}), "--executor"));
        CHECK(contains(usage_error({"--target", "a", "--target", "b", "."}), "--target"));
        CHECK(contains(usage_error({".", "/dev"}), "/dev"));
    }
}
