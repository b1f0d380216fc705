// SPDX-License-Identifier: Apache-2.0
// The parts of the registry client that need no server: challenges, and which registry answers where. What goes over
// the wire is tested by tests/cli/registry_*.sh.
#include "cache/oci/registry.hpp"

#include <doctest/doctest.h>

using namespace dbuild;
using namespace dbuild::cache::oci;

TEST_SUITE_BEGIN("cache/registry");

TEST_CASE("a challenge is a scheme and parameters, quoted or not") {
    const auto challenge =
        parse_challenge(R"(Bearer realm="https://a/token?x=1,2", service=s , scope="repository:a/b:pull,push")");
    CHECK(challenge.at("") == "bearer");
    CHECK(challenge.at("realm") == "https://a/token?x=1,2");
    CHECK(challenge.at("scope") == "repository:a/b:pull,push");
    CHECK(parse_challenge("Basic").at("") == "basic");
    CHECK(parse_challenge(R"(Basic realm="a \"b\"")").at("realm") == "a \"b\"");
}

TEST_CASE("a broken challenge ends where it breaks") {
    for (const char* text : {"", " ", "Bearer realm", "Bearer realm=\"a", "Bearer ,,,=", "Bearer realm=\"a\\"}) {
        CAPTURE(text);
        CHECK(parse_challenge(text).contains(""));
    }
}

TEST_CASE("what may pass is repeated, what cannot is not") {
    RegistrySettings settings;
    settings.tries = 3;
    settings.first_pause = std::chrono::milliseconds(1);
    RegistrySession session("example.invalid", settings);
    int calls = 0;
    const auto failing = [&](ErrorKind kind) {
        return [&calls, kind]() -> Status {
            ++calls;
            return fail(kind, "no");
        };
    };
    CHECK_FALSE(session.repeat(failing(ErrorKind::transient)));
    CHECK(calls == 3);
    CHECK_FALSE(session.repeat(failing(ErrorKind::unauthorized)));
    CHECK(calls == 4);
}

TEST_CASE("a pause ends when the user wants it") {
    RegistrySettings settings;
    settings.first_pause = settings.longest_pause = std::chrono::hours(1);
    bool is_cancelled = false;
    settings.is_cancelled = [&] { return is_cancelled; };
    RegistrySession session("example.invalid", settings);
    const auto result = session.repeat([&]() -> Status {
        is_cancelled = true;
        return fail(ErrorKind::transient, "no");
    });
    REQUIRE_FALSE(result);
    CHECK(result.error().kind == ErrorKind::interrupted);
}

TEST_SUITE_END();
