// SPDX-License-Identifier: Apache-2.0
#include "cache/oci/path_walk.hpp"

#include <doctest/doctest.h>

#include <map>

using dbuild::ErrorKind;
using dbuild::Result;

namespace {

/// Follows a path where those links stand and everything else is a folder.
Result<std::string> follow(std::string_view path, const std::map<std::string, std::string>& links,
                           const std::string& top = {}) {
    return dbuild::cache::oci::follow_links(
        path,
        [&](const std::string& here) -> Result<std::optional<std::string>> {
            if (here.ends_with("missing")) return dbuild::fail(ErrorKind::not_found, here);
            const auto found = links.find(here);
            return found == links.end() ? std::nullopt : std::optional(found->second);
        },
        top);
}

} // namespace

TEST_SUITE_BEGIN("cache/oci/path_walk");

TEST_CASE("links along a path and at its end are followed, relative ones from where they stand") {
    CHECK(*follow("a/b/c", {}) == "a/b/c");
    CHECK(*follow("a/b/c", {{"a/b", "../x"}, {"x/c", "/y/z"}}) == "y/z");
    CHECK(*follow("./a//b/.", {}) == "a/b");
}

TEST_CASE("neither dots nor links lead out of the top") {
    CHECK(*follow("../../a", {}) == "a");
    CHECK(*follow("a/b", {{"a", "../../../c"}}) == "c/b");
    CHECK(*follow("../a", {{"top/a", "/b/../.."}}, "top") == "top");
    CHECK(*follow("a", {{"top/a", "/b"}}, "top") == "top/b");
}

TEST_CASE("links without an end, and what the lookup refuses, are errors") {
    CHECK(follow("a", {{"a", "b"}, {"b", "a"}}).error().message == "\"/a\": too many links");
    CHECK(follow("a/b", {{"a", "missing"}}).error().message == "missing");
}

TEST_SUITE_END();
