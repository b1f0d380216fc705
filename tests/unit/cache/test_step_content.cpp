// SPDX-License-Identifier: Apache-2.0
#include "cache/step_content.hpp"

#include <doctest/doctest.h>

using namespace dbuild;
using namespace dbuild::cache;

namespace {

constexpr std::int64_t k_finished = 1'700'000'010;

oci::TableOfContents file_written_at(std::int64_t mtime) {
    oci::TableOfContents contents;
    contents.entries.push_back({});
    contents.entries.back().path = "file";
    contents.entries.back().mtime_seconds = mtime;
    return contents;
}

/// Of a step that took four seconds and a half.
Digest content_id(std::string_view ingredients, std::int64_t mtime) {
    const Instant finished{std::chrono::seconds(k_finished)};
    return content_id_of_step(ingredients, file_written_at(mtime), finished - std::chrono::milliseconds(4500),
                              finished);
}

} // namespace

TEST_SUITE_BEGIN("cache/step_content");

TEST_CASE("times that a RUN's own writing left are accidents, others are content") {
    const auto any = content_id("kind=run\n", k_finished);
    for (const auto inside : {k_finished - 5, k_finished - 1, k_finished + 1})
        CHECK(content_id("kind=run\n", inside) == any);
    for (const auto outside : {k_finished - 6, k_finished + 2, std::int64_t{0}})
        CHECK(content_id("kind=run\n", outside) != any);
}

TEST_CASE("no time counts in what is copied") {
    CHECK(content_id("kind=copy\nsource=a\n", 0) == content_id("kind=copy\nsource=a\n", k_finished));
    CHECK(content_id("kind=runner\n", 0) == content_id("kind=runner\n", k_finished));
}

TEST_SUITE_END();
