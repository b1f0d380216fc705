// SPDX-License-Identifier: Apache-2.0
// Keyword, flags and words of a logical line, and the JSON rule.
#include "dockerfile_parser/words.hpp"

#include <doctest/doctest.h>

using namespace dbuild;
using namespace dbuild::dockerfile_parser;

namespace {

using Words = std::vector<std::string>;

CommandSplit split(std::string_view line) { return split_command(line, '\\'); }

} // namespace

TEST_SUITE("dockerfile_parser/words") {
    TEST_CASE("flags stop at the first other word or at a bare --") {
        CHECK(split("COPY --a --b=c d --e").flags == Words{"--a", "--b=c"});
        CHECK(split("COPY --a --b=c d --e").rest == "d --e");
        CHECK(split("COPY --a -- --b c").flags == Words{"--a"});
        CHECK(split("COPY --a -- --b c").rest == "--b c");
        CHECK(split("RUN -x").rest == "-x");
    }
    TEST_CASE("quotes and escapes of flags are removed and keep blanks") {
        CHECK(split("RUN --mount=\"type=bind,target=/a b\" x").flags == Words{"--mount=type=bind,target=/a b"});
        CHECK(split("RUN --a='b\\'c' x").flags == Words{"--a=b'c"});
        CHECK(split("RUN --a=b\\ c x").flags == Words{"--a=b c"});
    }
    TEST_CASE("a non-ASCII flag value is re-encoded byte by byte, as BuildKit does") {
        CHECK(split("COPY --exclude=\xC3\xA9 a b").flags == Words{"--exclude=\xC3\x83\xC2\xA9"});
    }
    TEST_CASE("under another escape directive flags know its character alone") {
        CHECK(split_command("COPY --chown=a\\b` c d", '`').flags == Words{"--chown=a\\b c"});
    }
    TEST_CASE("quoted words keep their quotes and escapes") {
        CHECK(split_quoted_words("a=\"b c\" d='e\\' f=g\\ h", '\\') == Words{"a=\"b c\"", "d='e\\'", "f=g\\ h"});
        CHECK(split_quoted_words("a=b\\", '\\') == Words{"a=b"});
    }
    TEST_CASE("JSON strings are unescaped") {
        CHECK(parse_json_words(R"( ["a\n", "\u00e9", "\\"] )").value() == Words{"a\n", "\xC3\xA9", "\\"});
        CHECK(parse_json_words("[]").value() == Words{});
    }
    TEST_CASE("what is not JSON is silently no array") {
        for (const char* text : {"a", "['a']", "[\"a\",]", "[\"a\"", "[\"a\"] # x", "[\"C:\\dir\"]", "{}"})
            CHECK_MESSAGE(!parse_json_words(text).value(), text);
    }
    TEST_CASE("a JSON array with something else than strings is an error") {
        for (const char* text : {"[1]", "[\"a\", [\"b\"]]", "[null]", "[true]"})
            CHECK_FALSE_MESSAGE(parse_json_words(text), text);
    }
}
