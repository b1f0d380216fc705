// SPDX-License-Identifier: Apache-2.0
// Compiled patterns. Expected values: Go's filepath.Match; and what docker buildx 0.13.1 left out of a context.
#include "dockerfile_parser/glob.hpp"

#include <doctest/doctest.h>

using namespace dbuild;
using namespace dbuild::dockerfile_parser;

namespace {

bool path_matches(std::string_view pattern, std::string_view text) {
    const auto glob = Glob::of_path(pattern);
    REQUIRE_MESSAGE(glob, pattern);
    return glob->matches(text);
}

bool line_matches(std::string_view pattern, std::string_view text) {
    const auto glob = Glob::of_ignore_line(pattern);
    REQUIRE_MESSAGE(glob, pattern);
    return glob->matches(text);
}

} // namespace

TEST_SUITE("dockerfile_parser/glob") {
    TEST_CASE("a class may be a slash, an asterisk and a question mark may not") {
        CHECK(path_matches("dir[/]c", "dir/c"));
        CHECK(path_matches("dir[^x]c", "dir/c"));
        CHECK(line_matches("dir[^x]c", "dir/c"));
        CHECK_FALSE(path_matches("dir?c", "dir/c"));
        CHECK_FALSE(line_matches("dir*c", "dir/c"));
    }
    TEST_CASE("a circumflex is the beginning where the pattern has another wildcard") {
        CHECK(line_matches("^?q", "xq"));
        CHECK(line_matches("^?q", "^q"));
        CHECK_FALSE(line_matches("*^b", "a^b"));
        CHECK(path_matches("*^b", "a^b"));
    }
    TEST_CASE("a backslash and a letter is a class of regular expressions in an ignore file") {
        CHECK(line_matches("a\\d", "a1"));
        CHECK_FALSE(line_matches("a\\d", "ad"));
        CHECK(line_matches("a[\\d]", "a1"));
        CHECK(line_matches("\\w\\W\\s", "_- "));
        CHECK(line_matches("a\\tb", "a\tb"));
        CHECK(path_matches("a\\d", "ad"));
        CHECK(line_matches("\\#a", "#a"));
    }
    TEST_CASE("what no regular expression can be is malformed") {
        for (const char* pattern : {"a\\1", "a\\y", "a\\\xC3\xA9", "a[b-a]", "[]x]", "[a-]", "x\\", "*[]", "[\\d-z]"}) {
            const auto glob = Glob::of_ignore_line(pattern);
            REQUIRE_FALSE_MESSAGE(glob, pattern);
            CHECK(glob.error().message == "syntax error in pattern");
        }
        CHECK_FALSE(path_matches("a[b-a]", "ab")); // an empty range of filepath.Match
    }
    TEST_CASE("brackets are characters where they open or close nothing") {
        CHECK(line_matches("a]b", "a]b"));
        CHECK(line_matches("[[]x", "[x"));
        CHECK(line_matches("\\[x", "[x"));
    }
    TEST_CASE("a name that is no UTF-8 matches as replacement characters do") {
        CHECK(path_matches("a?b", "a\xFF"
                                  "b"));
        CHECK(path_matches("a*b", "a\xFF\xFE"
                                  "b"));
    }
    TEST_CASE("the fixed beginning is all of a pattern without wildcards") {
        CHECK(Glob::of_path("a/b.c")->is_plain());
        CHECK(Glob::of_path("a/b.c")->fixed_beginning() == "a/b.c");
        CHECK(Glob::of_ignore_line("a/\\*b")->fixed_beginning() == "a/*b");
        CHECK(Glob::of_ignore_line("ab*c")->fixed_beginning() == "ab");
        CHECK(Glob::of_ignore_line("**/c")->fixed_beginning().empty());
    }
    TEST_CASE("a source is a pattern if a character of one stands without a backslash before it") {
        for (const auto* source : {"*", "a?b", "[a]\\b", "a\\\\*", "d\\e/[b]"}) CHECK(has_wildcard(source));
        for (const auto* source : {"", "a/b", "a\\b", "a\\*", "a\\", "a]"}) CHECK_FALSE(has_wildcard(source));
    }
    TEST_CASE("a pattern begins at its first component that is one") {
        CHECK(find_pattern("*") == 0);
        CHECK(find_pattern("a/b/c*/d") == 4);
        CHECK(find_pattern("d\\e/x\\[/[b]/c") == 8);
        CHECK(find_pattern("a\\b/c") == std::string_view::npos);
    }
    TEST_CASE("many asterisks cost no more than their number times the length") {
        std::string pattern, text(20'000, 'a');
        for (int i = 0; i < 30; ++i) pattern += "*a";
        CHECK_FALSE(path_matches(pattern + "*b", text)); // by trying all ways: 20,000 to the 30th
        CHECK(path_matches(pattern + "*", text));
        std::string folders;
        for (int i = 0; i < 100; ++i) folders += "**/a";
        CHECK_FALSE(line_matches(folders + "/b", text + "b")); // more tokens than a machine word has bits
    }
}
