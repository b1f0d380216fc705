// SPDX-License-Identifier: Apache-2.0
// Expected values: containerd/platforms, and what BuildKit says of FROM --platform.
#include "dockerfile_parser/platform.hpp"

#include <doctest/doctest.h>

using namespace dbuild;
using namespace dbuild::dockerfile_parser;

namespace {

std::string normalized(std::string_view text, std::string_view native = "linux/amd64") {
    const auto platform = normalized_platform(text, native);
    return platform ? *platform : platform.error().message;
}

} // namespace

TEST_SUITE("dockerfile_parser/platform") {
    TEST_CASE("all spellings of a platform are one") {
        for (const auto* text : {"linux/amd64", "linux/x86_64", "Linux/AMD64", "linux/x86-64", "linux/amd64/v1",
                                 "amd64", "X86_64", "linux"})
            CHECK(normalized(text) == "linux/amd64");
        for (const auto* text : {"linux/arm64", "linux/aarch64", "linux/arm64/v8", "aarch64", "linux/arm64/8"})
            CHECK(normalized(text) == "linux/arm64");
        for (const auto* text : {"linux/arm", "linux/armhf", "linux/arm/7", "arm", "armhf"})
            CHECK(normalized(text) == "linux/arm/v7");
        CHECK(normalized("linux/armel") == "linux/arm/v6");
        CHECK(normalized("linux/i386") == "linux/386");
    }
    TEST_CASE("variants and systems that mean something are kept") {
        CHECK(normalized("linux/amd64/v2") == "linux/amd64/v2");
        CHECK(normalized("linux/arm/v6") == "linux/arm/v6");
        CHECK(normalized("linux/unheard-of") == "linux/unheard-of");
        CHECK(normalized("macOS/arm64") == "darwin/arm64");
        CHECK(normalized("windows(10.0.17763)/amd64") == "windows(10.0.17763)/amd64");
    }
    TEST_CASE("what is left out is that of the machine that builds") {
        CHECK(normalized("linux", "linux/arm/v7") == "linux/arm/v7");
        CHECK(normalized("windows", "linux/arm64") == "windows/arm64");
        CHECK(normalized("s390x", "linux/arm64") == "linux/s390x");
    }
    TEST_CASE("what is no platform is refused in containerd's words") {
        CHECK(normalized("foo") == "\"foo\": unknown operating system or architecture: invalid argument");
        CHECK(normalized("local") == "\"local\": unknown operating system or architecture: invalid argument");
        CHECK(normalized("a/b/c/d") == "\"a/b/c/d\": cannot parse platform specifier: invalid argument");
        CHECK(normalized("lin*x") == "\"lin*x\": wildcards not yet supported: invalid argument");
        CHECK(normalized("linux/") ==
              "\"\" is an invalid component of \"linux/\": platform specifier component must match "
              "\"^[A-Za-z0-9_-]+$\": invalid argument");
        CHECK(normalized("/amd64").starts_with("\"\" is an invalid OS component of \"/amd64\": OSAndVersion"));
        CHECK(normalized("linux(1/amd64").starts_with("\"linux(1\" is an invalid OS component"));
        CHECK(normalized("linux()/am d").starts_with("\"am d\" is an invalid component"));
    }
}
