// SPDX-License-Identifier: Apache-2.0
// Image references: normalised as docker does, and refused by the same grammar.
#include "cache/oci/reference.hpp"

#include <doctest/doctest.h>

using dbuild::cache::oci::ImageReference;

TEST_SUITE_BEGIN("cache/reference");

TEST_CASE("a short name gets docker.io, library and latest") {
    const auto reference = ImageReference::parse("busybox");
    REQUIRE(reference);
    CHECK(reference->to_string() == "docker.io/library/busybox:latest");
    CHECK(reference->familiar() == "busybox:latest");
}

TEST_CASE("a first component with a dot, a colon or localhost is a domain") {
    CHECK(ImageReference::parse("ghcr.io/me/app:1")->domain == "ghcr.io");
    CHECK(ImageReference::parse("localhost:5000/app")->domain == "localhost:5000");
    CHECK(ImageReference::parse("localhost/app")->domain == "localhost");
    CHECK(ImageReference::parse("me/app")->to_string() == "docker.io/me/app:latest");
}

TEST_CASE("a digest stands without a tag") {
    const std::string digest = "sha256:" + std::string(64, 'a');
    const auto reference = ImageReference::parse("app@" + digest);
    REQUIRE(reference);
    CHECK(reference->tag.empty());
    CHECK(reference->to_string() == "docker.io/library/app@" + digest);
}

TEST_CASE("what the grammar does not allow is a usage error") {
    for (const char* text :
         {"", ":/x", "a b.c/x", "-a.b/x", "foo/-bar", "a/.b", "x..y", "App", "a//b", "a:", "a:-x", "a@sha256:12"}) {
        CAPTURE(text);
        const auto reference = ImageReference::parse(text);
        REQUIRE_FALSE(reference);
        CHECK(reference.error().kind == dbuild::ErrorKind::usage);
    }
}

TEST_CASE("a password in what is no reference is not repeated") {
    for (const char* text : {"alice:secret@host/app", "docker://alice:secret@host/app", "alice:secret@sha256@x"}) {
        CAPTURE(text);
        const auto reference = ImageReference::parse(text);
        REQUIRE_FALSE(reference);
        CHECK(reference.error().message.find("secret") == std::string::npos);
    }
}

TEST_CASE("separators of a component are a dot, one or two underscores, or dashes") {
    for (const char* text : {"a.b", "a_b", "a__b", "a---b", "my/very.long-name__x"}) {
        CAPTURE(text);
        CHECK(ImageReference::parse(text).has_value());
    }
    CHECK_FALSE(ImageReference::parse("a___b").has_value());
    CHECK_FALSE(ImageReference::parse("a._b").has_value());
}

TEST_SUITE_END();
