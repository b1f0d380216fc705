// SPDX-License-Identifier: Apache-2.0
// The word lexer: modifiers, quotes, escapes, words mode and heredoc bodies. Expected values: BuildKit's lexer.
#include "dockerfile_parser/expansion.hpp"

#include <doctest/doctest.h>

#include <map>

using namespace dbuild;
using namespace dbuild::dockerfile_parser;

namespace {

std::optional<std::string> find(std::string_view name) {
    static const std::map<std::string, std::string, std::less<>> k_values = {
        {"A", "value"}, {"EMPTY", ""}, {"PATHS", "/a/b/c.tar.gz"}, {"PORTS", "80 443"}, {"1", "one"}};
    const auto found = k_values.find(name);
    return found == k_values.end() ? std::nullopt : std::optional(found->second);
}

std::string expand(std::string_view word, char escape = '\\') {
    const auto result = expand_word(word, find, escape);
    return result ? *result : "error: " + result.error().message;
}

bool is_refused(std::string_view word) {
    const auto result = expand_word(word, find, '\\');
    return !result && result.error().kind == ErrorKind::invalid_dockerfile && !result.error().where;
}

std::string heredoc(std::string_view body) { return expand_heredoc(body, find).value_or("error"); }

} // namespace

TEST_SUITE("dockerfile_parser/expansion") {
    TEST_CASE("a name ends before the first character that cannot be part of it") {
        CHECK(expand("$A/x") == "value/x");
        CHECK(expand("${A}x") == "valuex");
        CHECK(expand("$UNSET") == "");
        CHECK(expand("a$") == "a$");
        CHECK(expand("$/x") == "$/x");
        CHECK(expand("$1x") == "onex");
    }
    TEST_CASE("defaults distinguish unset from empty only without a colon") {
        CHECK(expand("${UNSET:-w}") == "w");
        CHECK(expand("${EMPTY:-w}") == "w");
        CHECK(expand("${EMPTY-w}") == "");
        CHECK(expand("${UNSET-w}") == "w");
        CHECK(expand("${A:+w}") == "w");
        CHECK(expand("${EMPTY:+w}") == "");
        CHECK(expand("${EMPTY+w}") == "w");
        CHECK(expand("${UNSET:-${A}}") == "value");
        CHECK(expand("${UNSET:-'a b'}") == "a b");
    }
    TEST_CASE("a question mark stops the build with the given or a default message") {
        CHECK(expand("${UNSET:?no}").ends_with("UNSET: no"));
        CHECK(expand("${UNSET?}").ends_with("UNSET: is not allowed to be unset"));
        CHECK(expand("${EMPTY:?}").ends_with("EMPTY: is not allowed to be empty"));
        CHECK(expand("${EMPTY?x}") == "");
    }
    TEST_CASE("prefixes and suffixes are stripped shortest or longest") {
        CHECK(expand("${PATHS#*/}") == "a/b/c.tar.gz");
        CHECK(expand("${PATHS##*/}") == "c.tar.gz");
        CHECK(expand("${PATHS%.*}") == "/a/b/c.tar");
        CHECK(expand("${PATHS%%.*}") == "/a/b/c");
        CHECK(expand("${PATHS#nothing}") == "/a/b/c.tar.gz");
    }
    TEST_CASE("quotes in a pattern are removed, and do not protect its wildcards") {
        CHECK(expand("${PATHS%\".gz\"}") == "/a/b/c.tar");
        CHECK(expand("${PATHS%'.gz'}") == "/a/b/c.tar");
        CHECK(expand("${PATHS%'.*'}") == "/a/b/c.tar");
    }
    TEST_CASE("one or all matches are replaced") {
        CHECK(expand("${PATHS/a/x}") == "/x/b/c.tar.gz");
        CHECK(expand("${PATHS//a/x}") == "/x/b/c.txr.gz");
        CHECK(expand("${PATHS//\\//-}") == "-a-b-c.tar.gz");
        CHECK(expand("${A/*/x}") == "x");
    }
    TEST_CASE("bad substitutions are refused") {
        for (const char* word : {"${}", "${{A}}", "${:-x}", "${A", "${A:=x}", "${A=x}", "${A^^}", "${A:0:2}", "${A:#x}",
                                 "'a", "\"a", "${A#\\x}", "${#A}"})
            CHECK_MESSAGE(is_refused(word), word);
    }
    TEST_CASE("single quotes are literal, double quotes keep variables, both are removed") {
        CHECK(expand("'$A'") == "$A");
        CHECK(expand("\"$A b\"") == "value b");
        CHECK(expand(R"("a\"b\$A\c")") == R"(a"b$A\c)");
        CHECK(expand(R"('a\'b)") == R"(a\b)");
    }
    TEST_CASE("an escape outside of quotes removes itself, also a trailing one") {
        CHECK(expand(R"(abc\tdef)") == "abctdef");
        CHECK(expand(R"(\$A)") == "$A");
        CHECK(expand(R"(a\)") == "a");
    }
    TEST_CASE("with a backtick as escape the backslash is an ordinary character") {
        CHECK(expand(R"(C:\dir)", '`') == R"(C:\dir)");
        CHECK(expand("`$A", '`') == "$A");
    }
    TEST_CASE("a variable name with non-ASCII characters is left to BuildKit") {
        for (const char* word : {"$A\xE2\x80\x93", "${A\xC3\xA9}"}) {
            const auto result = expand_word(word, find, '\\');
            REQUIRE_FALSE(result);
            CHECK(result.error().kind == ErrorKind::unsupported);
        }
        CHECK(expand("${A}\xC3\xA9") == "value\xC3\xA9");
    }
    TEST_CASE("what would take megabytes, or a deep stack, is left to BuildKit") {
        const auto repeated = [](std::string_view text, int times) {
            std::string all;
            for (int i = 0; i < times; ++i) all += text;
            return all;
        };
        CHECK(expand(repeated("${UNSET:-", 400) + "x" + repeated("}", 400)) == "x");
        for (const std::string& word : {repeated("${UNSET:-", 100'000) + repeated("}", 100'000),
                                        repeated("${PATHS////", 9) + "xx" + repeated("}", 9)}) {
            const auto result = expand_word(word, find, '\\');
            REQUIRE_FALSE(result);
            CHECK(result.error().kind == ErrorKind::unsupported);
        }
    }
    TEST_CASE("words mode splits on blanks that come out of a variable, unless they are quoted") {
        using Words = std::vector<std::string>;
        CHECK(expand_words("$PORTS", find, '\\').value() == Words{"80", "443"});
        CHECK(expand_words("\"$PORTS\"", find, '\\').value() == Words{"80 443"});
        CHECK(expand_words("\"\" a\\ b", find, '\\').value() == Words{"a b"});
        CHECK(expand_words("$UNSET", find, '\\').value() == Words{});
    }
    TEST_CASE("in a heredoc quotes are plain and every backslash removes itself") {
        CHECK(heredoc("\"$A\" '${A}'\n") == "\"value\" 'value'\n");
        CHECK(heredoc("\\$A\n") == "$A\n");
        CHECK(heredoc("\\\n") == "\n");
        CHECK(heredoc("\\\\\n") == "\\\n");
        CHECK(heredoc("a\\nb\n") == "anb\n");
    }
}
