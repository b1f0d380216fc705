// SPDX-License-Identifier: Apache-2.0
// Flags of an instruction, suggestions, and durations in Go syntax.
#include "dockerfile_parser/flags.hpp"

#include <doctest/doctest.h>

using namespace dbuild;
using namespace dbuild::dockerfile_parser;
using namespace std::chrono_literals;

namespace {

struct Values {
    bool link = false;
    std::string from;
    std::vector<std::string> mounts;
};

std::string parse(Values& values, const std::vector<std::string>& words) {
    const auto done =
        FlagSet().add("link", values.link).add("from", values.from).add("mount", values.mounts).parse(words);
    return done ? "" : done.error().message;
}

std::string parse(const std::vector<std::string>& words) {
    Values values;
    return parse(values, words);
}

} // namespace

TEST_SUITE("dockerfile_parser/flags") {
    TEST_CASE("flags store their values, repeatable ones all of them") {
        Values values;
        CHECK(parse(values, {"--link", "--from=a=b", "--mount=1", "--mount=2"}) == "");
        CHECK(values.link);
        CHECK(values.from == "a=b");
        CHECK(values.mounts == std::vector<std::string>{"1", "2"});
        CHECK(parse(values, {"--link=FALSE", "--from="}) == "");
        CHECK_FALSE(values.link);
        CHECK(values.from == "");
    }
    TEST_CASE("an unknown flag is refused with the nearest name") {
        CHECK(parse({"--form=x"}) == "unknown flag: --form (did you mean from?)");
        CHECK(parse({"--zzzzzz"}) == "unknown flag: --zzzzzz");
        CHECK(parse({"--FROM=x"}).starts_with("unknown flag: --FROM"));
    }
    TEST_CASE("a flag without its value, with a wrong one, or twice is refused") {
        CHECK(parse({"--from"}) == "missing a value on flag: from");
        CHECK(parse({"--link="}) == "missing a value on flag: link");
        CHECK(parse({"--link=yes"}) == "expecting boolean value for flag link, not: yes");
        CHECK(parse({"--from=a", "--from=b"}) == "duplicate flag specified: from");
    }
    TEST_CASE("suggestions keep the case of what was written") {
        CHECK(suggestion("fron", {"FROM", "RUN"}, CaseRule::insensitive) == " (did you mean from?)");
        CHECK(suggestion("FRON", {"from"}, CaseRule::insensitive) == " (did you mean FROM?)");
        CHECK(suggestion("from", {"FROM"}, CaseRule::insensitive) == "");
    }
    TEST_CASE("durations are sums of numbers with units") {
        CHECK(parse_duration("1h30m").value() == 90min);
        CHECK(parse_duration("1.5s").value() == 1500ms);
        CHECK(parse_duration(".5ms").value() == 500us);
        CHECK(parse_duration("-2us").value() == -2us);
        CHECK(parse_duration("3\xC2\xB5s").value() == 3us);
        CHECK(parse_duration("0").value() == 0s);
    }
    TEST_CASE("a malformed duration is an error") {
        for (const char* text : {"", "5", "s", "1x", ".s", "1..5s", "-", "9999999999h"})
            CHECK_FALSE_MESSAGE(parse_duration(text), text);
        CHECK(parse_duration("5").error().message == "time: missing unit in duration \"5\"");
    }
}
