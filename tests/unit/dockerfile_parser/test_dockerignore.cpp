// SPDX-License-Identifier: Apache-2.0
// .dockerignore patterns and Go's filepath.Match. Expected values: moby/patternmatcher and Go's path/filepath.
#include "dockerfile_parser/dockerignore.hpp"

#include <doctest/doctest.h>

using namespace dbuild;
using namespace dbuild::dockerfile_parser;

namespace {

bool is_ignored(std::string_view patterns, std::string_view path) {
    const auto matcher = IgnoreMatcher::parse(patterns, ".dockerignore");
    REQUIRE(matcher);
    return matcher->is_ignored(path);
}

bool can_skip(std::string_view patterns, std::string_view path) {
    const auto matcher = IgnoreMatcher::parse(patterns, ".dockerignore");
    REQUIRE(matcher);
    return matcher->can_skip_directory(path);
}

bool matches(std::string_view pattern, std::string_view name) {
    const auto result = match_path(pattern, name);
    REQUIRE(result);
    return *result;
}

} // namespace

TEST_SUITE("dockerfile_parser/dockerignore") {
    TEST_CASE("a pattern is anchored at the root and covers what is below it") {
        CHECK(is_ignored("foo", "foo"));
        CHECK(is_ignored("foo", "foo/a/b"));
        CHECK_FALSE(is_ignored("foo", "a/foo"));
        CHECK_FALSE(is_ignored("foo", "foobar"));
        CHECK(is_ignored("/foo/", "foo/a"));
        CHECK(is_ignored("./a//b", "a/b"));
    }
    TEST_CASE("an asterisk and a question mark do not cross a slash") {
        CHECK(is_ignored("*.go", "a.go"));
        CHECK_FALSE(is_ignored("*.go", "a/a.go"));
        CHECK(is_ignored("a?c", "abc"));
        CHECK_FALSE(is_ignored("a?c", "a/c"));
        CHECK(is_ignored("*", ".hidden"));
    }
    TEST_CASE("two asterisks stand for any number of whole path components") {
        CHECK(is_ignored("**/foo", "foo"));
        CHECK(is_ignored("**/foo", "a/b/foo"));
        CHECK_FALSE(is_ignored("**/foo", "xfoo"));
        CHECK_FALSE(is_ignored("**/foo", "a/xfoo"));
        CHECK(is_ignored("a/**/b", "a/b"));
        CHECK(is_ignored("a/**/b", "a/x/y/b"));
        CHECK_FALSE(is_ignored("a/**/b", "a/xb"));
        CHECK(is_ignored("**/*.o", "a/b.o"));
        CHECK_FALSE(is_ignored("**/b*.o", "ab.o"));
    }
    TEST_CASE("two asterisks at the end match what is below, not the folder itself") {
        CHECK(is_ignored("a/**", "a/b"));
        CHECK_FALSE(is_ignored("a/**", "a"));
        CHECK(is_ignored("**", "a/b"));
        CHECK(is_ignored("a**", "abc/d"));
    }
    TEST_CASE("two asterisks directly before a fixed rest match any path that ends so") {
        CHECK(is_ignored("**file", "afile"));
        CHECK(is_ignored("**file", "a/bfile"));
        CHECK(is_ignored("**.txt", "a/b.txt"));
        CHECK_FALSE(is_ignored("**b?.txt", "ab1.txt"));
    }
    TEST_CASE("classes and escapes are honoured, other special characters are plain") {
        CHECK(is_ignored("[a-c]x", "bx"));
        CHECK_FALSE(is_ignored("[^a-c]x", "bx"));
        CHECK(is_ignored("a\\*b", "a*b"));
        CHECK_FALSE(is_ignored("a\\*b", "axb"));
        CHECK(is_ignored("a.b+(c)", "a.b+(c)"));
        CHECK_FALSE(is_ignored("*.b", "axb"));
    }
    TEST_CASE("the last match wins") {
        CHECK_FALSE(is_ignored("*\n!keep", "keep"));
        CHECK(is_ignored("*\n!keep", "other"));
        CHECK(is_ignored("!keep\n*", "keep"));
        CHECK_FALSE(is_ignored("docs\n!docs/README.md", "docs/README.md"));
        CHECK(is_ignored("docs\n!docs/README.md", "docs/a"));
        CHECK(is_ignored("docs\n!docs/*.md\ndocs/SECRET.md", "docs/SECRET.md"));
    }
    TEST_CASE("an exception for a folder that was not ignored does not re-include its ignored children") {
        CHECK(is_ignored("a/x\n!a", "a/x"));
        CHECK_FALSE(is_ignored("a\n!a", "a/x"));
    }
    TEST_CASE("comments count only in the first column, blank lines and a byte-order mark are dropped") {
        CHECK_FALSE(is_ignored("# foo\n\n  \nbar", "# foo"));
        CHECK(is_ignored(" # foo", "# foo"));
        CHECK(is_ignored("\xEF\xBB\xBF"
                         "foo\r\n",
                         "foo"));
        CHECK(is_ignored("! \tx\nx", "x"));
    }
    TEST_CASE("the root is never ignored") {
        const auto matcher = IgnoreMatcher::parse(".\n/\n", ".dockerignore");
        REQUIRE(matcher);
        CHECK_FALSE(matcher->is_ignored("a"));
    }
    TEST_CASE("a malformed pattern and a lone exclamation mark are errors on their line") {
        for (const char* text : {"ok\n[a", "ok\na[", "ok\na\\", "ok\n[]a]", "ok\n!", "ok\n[a-]"}) {
            const auto matcher = IgnoreMatcher::parse(text, ".dockerignore");
            REQUIRE_FALSE_MESSAGE(matcher, text);
            CHECK(matcher.error().kind == ErrorKind::invalid_dockerfile);
            REQUIRE(matcher.error().where);
            CHECK(matcher.error().where->first_line == 2);
        }
    }
    TEST_CASE("a folder is skipped only when no exception can match below it") {
        CHECK(can_skip("node_modules", "node_modules"));
        CHECK(can_skip("*\n!src/a", "docs"));
        CHECK_FALSE(can_skip("*\n!src/a", "src"));
        CHECK_FALSE(can_skip("*\n!**/*.c", "docs"));
        CHECK_FALSE(can_skip("*\n!src/*.c", "src"));
        CHECK(can_skip("*\n!src/*.c", "docs"));
        CHECK_FALSE(can_skip("other", "docs"));
    }
    TEST_CASE("a walker that comes from the folder gets the same answers") {
        const auto matcher = IgnoreMatcher::parse("a/x\n!a\n**/gone\n*.o\n!a/keep.o\nb\n!b/c/d", ".dockerignore");
        REQUIRE(matcher);
        for (const std::string path : {"a", "a/x", "a/x/y", "a/b/gone", "a/b/gone/e", "m.o", "a/keep.o", "b", "b/c",
                                       "b/c/d", "b/c/d/e", "b/e"}) {
            IgnoreMatcher::Verdict verdict;
            for (auto end = path.find('/');; end = path.find('/', end + 1)) {
                verdict = matcher->judge(verdict, path.substr(0, end));
                if (end == path.npos) break;
            }
            CHECK_MESSAGE(verdict.is_ignored == matcher->is_ignored(path), path);
            CHECK_MESSAGE(matcher->can_skip_directory(verdict, path) == matcher->can_skip_directory(path), path);
        }
    }
    TEST_CASE("a list of ten thousand names costs about one look-up a path") {
        std::string text;
        for (int i = 0; i < 10'000; ++i)
            text += "folder/name" + std::to_string(i) + "\n**/every" + std::to_string(i) + "\n!folder/kept" +
                    std::to_string(i) + "\n";
        const auto matcher = IgnoreMatcher::parse(text, ".dockerignore");
        REQUIRE(matcher);
        int ignored = 0; // each path tried with each pattern would be 3 thousand million comparisons
        for (int i = 0; i < 100'000; ++i) ignored += matcher->is_ignored("folder/name" + std::to_string(i)) ? 1 : 0;
        CHECK(ignored == 10'000);
        CHECK(matcher->is_ignored("a/b/every77/c"));
        CHECK(matcher->can_skip_directory("folder/name5"));
    }
    TEST_CASE("a pattern that cannot be followed exactly is left to buildx") {
        for (const char* text : {"a\nb\\b", "a\n[*]", "a\n[a?]", "a\n[[:alpha:]]", "a\n\\x41"}) {
            const auto matcher = IgnoreMatcher::parse(text, ".dockerignore");
            REQUIRE_FALSE_MESSAGE(matcher, text);
            CHECK(matcher.error().kind == ErrorKind::unsupported);
            CHECK(matcher.error().where.value().first_line == 2);
        }
    }
    TEST_CASE("filepath.Match matches whole names and refuses malformed patterns") {
        CHECK(matches("*", "abc"));
        CHECK_FALSE(matches("*", "a/b"));
        CHECK(matches("a*/b", "abc/b"));
        CHECK(matches("a*b?c*x", "abxbbxdbxebxczzx"));
        CHECK(matches("[\\]a]", "]"));
        CHECK(matches("[x\\-]", "-"));
        CHECK(matches("\xC3\xA9?", "\xC3\xA9\xC3\xBC"));
        CHECK_FALSE(matches("a[^a]b", "ab"));
        CHECK(matches("", ""));
        for (const char* pattern : {"[]a]", "[-]", "[x-]", "[-x]", "\\", "[", "[^", "[^bc", "a["})
            CHECK_FALSE_MESSAGE(match_path(pattern, "a"), pattern);
    }
}
