// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/progress/console.hpp"

#include <doctest/doctest.h>

using namespace dbuild::orchestrator::progress;

TEST_SUITE("orchestrator/progress/console") {
    TEST_CASE("cells are what a terminal uses, in any locale") {
        CHECK(cells("abc") == 3);
        CHECK(cells("é") == 1);
        CHECK(cells("日本") == 4);
        CHECK(cells("🙂") == 2);
        CHECK(cells("e\u0301") == 1); // combining
        CHECK(cells("") == 0);
    }
    TEST_CASE("fit keeps what fits and cuts whole characters") {
        CHECK(fit("abc", 3) == "abc");
        CHECK(fit("abcd", 3) == "ab…");
        CHECK(fit("日本語", 6) == "日本語");
        CHECK(fit("日本語", 5) == "日本…");
        CHECK(fit("日本語", 4) == "日…");
        CHECK(fit("a日本", 4) == "a日…");
        CHECK(fit("abc", 1) == "…");
        CHECK(fit("abc", 0).empty());
        CHECK(fit("e\u0301e\u0301", 2) == "e\u0301e\u0301");
        CHECK(fit("a\tb", 5) == "a b");
    }
    TEST_CASE("what fit returns is never wider than asked") {
        const std::string line = "a日e\u0301🙂b⚠\uFE0F語c";
        for (std::size_t columns = 0; columns < 14; ++columns) CHECK(cells(fit(line, columns)) <= columns);
        CHECK(fit(line, cells(line)) == line);
    }
}
