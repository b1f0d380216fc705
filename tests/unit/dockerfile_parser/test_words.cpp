// SPDX-License-Identifier: Apache-2.0
// Keyword, flags and words of a logical line, and the JSON rule.
#include "dockerfile_parser/words.hpp"

#include <doctest/doctest.h>

using namespace dbuild;
using namespace dbuild::dockerfile_parser;

namespace {

using Words = std::vector<std::string>;

CommandSplit split(std::string_view line) { return split_command(line, '\\'); }

std::vector<TextRange> ranges; // where nobody asks for them

/// The pieces of the text that the ranges name.
Words pieces(std::string_view text, const std::vector<TextRange>& places) {
    Words found;
    for (const auto& [begin, end] : places) found.emplace_back(text.substr(begin, end - begin));
    return found;
}

} // namespace

TEST_SUITE("dockerfile_parser/words") {
    TEST_CASE("every word has its range in the text, quotes and escapes included") {
        const std::string_view line = "  COPY --a='b c'  --d  e f ";
        CHECK(pieces(line, split(line).flag_ranges) == Words{"--a='b c'", "--d"});
        CHECK(line.substr(split(line).rest_begin) == "e f ");
        std::vector<TextRange> places;
        (void)split_blanks("a  bc d", places);
        CHECK(pieces("a  bc d", places) == Words{"a", "bc", "d"});
        places.clear();
        (void)split_quoted_words(" a='b c'  \\ d e", '\\', places);
        CHECK(pieces(" a='b c'  \\ d e", places) == Words{"a='b c'", "\\ d", "e"});
        places.clear();
        (void)parse_json_words(R"( ["a", "b\"c\\" ] )", places);
        CHECK(pieces(R"( ["a", "b\"c\\" ] )", places) == Words{R"("a")", R"("b\"c\\")"});
    }
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
        CHECK(split_quoted_words("a=\"b c\" d='e\\' f=g\\ h", '\\', ranges) ==
              Words{"a=\"b c\"", "d='e\\'", "f=g\\ h"});
        CHECK(split_quoted_words("a=b\\", '\\', ranges) == Words{"a=b"});
    }
    TEST_CASE("JSON strings are unescaped") {
        CHECK(parse_json_words(R"( ["a\n", "\u00e9", "\\"] )", ranges).value() == Words{"a\n", "\xC3\xA9", "\\"});
        CHECK(parse_json_words("[]", ranges).value() == Words{});
    }
    TEST_CASE("what is not JSON is silently no array") {
        for (const char* text : {"a", "['a']", "[\"a\",]", "[\"a\"", "[\"a\"] # x", "[\"C:\\dir\"]", "{}"})
            CHECK_MESSAGE(!parse_json_words(text, ranges).value(), text);
    }
    TEST_CASE("a JSON array with something else than strings is an error") {
        for (const char* text : {"[1]", "[\"a\", [\"b\"]]", "[null]", "[true]"})
            CHECK_FALSE_MESSAGE(parse_json_words(text, ranges), text);
    }
}
