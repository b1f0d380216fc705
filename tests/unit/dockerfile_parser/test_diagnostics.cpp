// SPDX-License-Identifier: Apache-2.0
// Excerpts of a source text around an error.
#include "dockerfile_parser/diagnostics.hpp"

#include <doctest/doctest.h>

using namespace dbuild;
using namespace dbuild::dockerfile_parser;

TEST_SUITE("dockerfile_parser/diagnostics") {
    TEST_CASE("an excerpt marks the span between two lines of context") {
        CHECK(excerpt("a\nb\nc\nd\ne\nf\ng\n", {"dir/Dockerfile", 4, 5, 0}) == "Dockerfile:4\n"
                                                                               "--------------------\n"
                                                                               "   2 |     b\n"
                                                                               "   3 |     c\n"
                                                                               "   4 | >>> d\n"
                                                                               "   5 | >>> e\n"
                                                                               "   6 |     f\n"
                                                                               "   7 |     g\n"
                                                                               "--------------------");
    }
    TEST_CASE("an excerpt stops at the ends of the text and drops carriage returns") {
        CHECK(excerpt("a\r\nb", {"D", 1, 9, 0}) == "D:1\n--------------------\n   1 | >>> a\n   2 | >>> b\n"
                                                   "--------------------");
    }
    TEST_CASE("a place outside of the text gives nothing") {
        CHECK(excerpt("a\n", {"D", 2, 2, 0}) == "");
        CHECK(excerpt("a\n", {"D", 0, 0, 0}) == "");
    }
}
