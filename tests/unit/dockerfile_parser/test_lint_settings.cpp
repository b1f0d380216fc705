// SPDX-License-Identifier: Apache-2.0
#include "dockerfile_parser/lint_settings.hpp"

#include <doctest/doctest.h>

using namespace dbuild::dockerfile_parser;

TEST_SUITE("dockerfile_parser/lint_settings") {
    TEST_CASE("settings are read part by part") {
        const auto settings = LintSettings::parse("skip=A,B;error=true;experimental=all").value();
        CHECK(settings.skips("A"));
        CHECK(settings.skips("B"));
        CHECK_FALSE(settings.skips("C"));
        CHECK(settings.tries("C"));
        CHECK(settings.warnings_are_errors);
        CHECK_FALSE(LintSettings::parse("").value().warnings_are_errors);
        CHECK_FALSE(LintSettings::parse("error=F").value().warnings_are_errors);
    }
    TEST_CASE("what stands after a blank, or in a fourth part, is not read") {
        const auto settings = LintSettings::parse("skip=A, B").value();
        CHECK(settings.skips("A"));
        CHECK_FALSE(settings.skips("B"));
        CHECK(LintSettings::parse("skip=A;error=1;experimental=B;nonsense").value().tries("B;nonsense"));
    }
    TEST_CASE("a wrong part is an error in BuildKit's words") {
        const auto message = [](std::string_view text) { return LintSettings::parse(text).error().message; };
        CHECK(message("skip") == "failed to parse check options: invalid check option \"skip\"");
        CHECK(message("foo=bar") == "failed to parse check options: invalid check option \"foo\"");
        CHECK(message("error=maybe") == "failed to parse check options: failed to parse check option \"error=maybe\": "
                                        "strconv.ParseBool: parsing \"maybe\": invalid syntax");
    }
}
