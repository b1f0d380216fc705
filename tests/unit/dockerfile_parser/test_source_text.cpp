// SPDX-License-Identifier: Apache-2.0
// Physical to logical lines: directives, byte-order mark, continuations, comments, limits.
#include "dockerfile_parser/source_text.hpp"

#include <doctest/doctest.h>

using namespace dbuild;
using namespace dbuild::dockerfile_parser;

namespace {

std::vector<std::string> lines(std::string_view text) {
    auto reader = SourceReader::open(text, "Dockerfile");
    REQUIRE(reader);
    std::vector<std::string> result;
    for (;;) {
        auto line = reader->next_line();
        if (!line) return {"error: " + line.error().message};
        if (!*line) return result;
        result.push_back((*line)->text);
    }
}

char escape_of(std::string_view text) {
    auto reader = SourceReader::open(text, "Dockerfile");
    REQUIRE(reader);
    while (reader->next_line().value()) {
    }
    return reader->escape();
}

std::string syntax_of(std::string_view text) { return SourceReader::open(text, "Dockerfile").value().syntax(); }

using Lines = std::vector<std::string>;

} // namespace

TEST_SUITE("dockerfile_parser/source_text") {
    TEST_CASE("a continuation joins lines without inserting anything") {
        CHECK(lines("ec\\\nho a \\\n  b\n") == Lines{"echo a   b"});
        CHECK(lines("a \\ \t\nb\n") == Lines{"a b"});
        CHECK(lines("a \\\r\nb\r\n") == Lines{"a b"});
    }
    TEST_CASE("two or three escape characters at the end are not a continuation") {
        CHECK(lines("a \\\\\nb\n") == Lines{"a \\\\", "b"});
        CHECK(lines("a \\\\\\\nb\n") == Lines{"a \\\\\\", "b"});
    }
    TEST_CASE("comments and blank lines inside of a continuation are dropped") {
        CHECK(lines("a \\\n  # comment \\\n\n \t\nb\n") == Lines{"a b"});
    }
    TEST_CASE("a comment does not continue, and a number sign later in a line is content") {
        CHECK(lines("# a \\\nb # c\n") == Lines{"b # c"});
    }
    TEST_CASE("a continuation at the end of the file is accepted") {
        CHECK(lines("a \\") == Lines{"a "});
        CHECK(lines("a \\\n# x\n") == Lines{"a "});
    }
    TEST_CASE("leading blanks go from the first line only, and a byte-order mark from the file") {
        CHECK(lines("\xEF\xBB\xBF \ta\n") == Lines{"a"});
    }
    TEST_CASE("the escape directive changes the continuation character") {
        CHECK(lines("# escape=`\na `\nb\\\nc\n") == Lines{"a b\\", "c"});
        CHECK(escape_of("#ESCAPE = `\nFROM a\n") == '`');
        CHECK(escape_of("# syntax=x\n# escape=`\nFROM a\n") == '`');
    }
    TEST_CASE("directives end at the first line that is not a known one") {
        for (const char* text : {"\n# escape=`\na", "# c\n# escape=`\na", "# other=1\n# escape=`\na", "a\n# escape=`\n",
                                 "#!/bin/x\n# escape=`\na"})
            CHECK_MESSAGE(escape_of(text) == '\\', text);
    }
    TEST_CASE("a wrong or repeated directive is an error") {
        CHECK(lines("# escape=x\n") == Lines{"error: invalid escape token 'x' does not match ` or \\"});
        CHECK(lines("# syntax=a\n# Syntax=b\n") == Lines{"error: only one syntax parser directive can be used"});
    }
    TEST_CASE("the syntax is read before anything else, after a #! line too") {
        CHECK(syntax_of("# syntax=docker/dockerfile:1\nFROM a\n") == "docker/dockerfile:1");
        CHECK(syntax_of("#!/usr/bin/env x\n# syntax = a b\n") == "a b");
        CHECK(syntax_of("# comment\n# syntax=a\n") == "");
        CHECK(syntax_of(" # syntax=a\n") == "");
    }
    TEST_CASE("a syntax in a form for other file formats is unsupported") {
        for (const char* text : {"// syntax=a\n", "{\"syntax\": \"a\"}"}) {
            const auto reader = SourceReader::open(text, "Dockerfile");
            REQUIRE_FALSE(reader);
            CHECK(reader.error().kind == ErrorKind::unsupported);
        }
    }
    TEST_CASE("a physical line may have 65535 bytes, a logical line any number") {
        const std::string half(40000, 'x');
        CHECK(lines(half + "\\\n" + half + "\n") == Lines{half + half});
        CHECK(lines(std::string(65534, 'x') + "\n").size() == 1);
        CHECK(lines(std::string(65535, 'x') + "\n") ==
              Lines{"error: dockerfile line greater than max allowed size of 65535"});
    }
}
