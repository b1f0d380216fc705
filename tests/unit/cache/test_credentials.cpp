// SPDX-License-Identifier: Apache-2.0
// Who the user is to a registry: what docker's config.json says, in which order, and what happens to its oddities.
#include "cache/oci/credentials.hpp"

#include <doctest/doctest.h>

using namespace dbuild;
using cache::oci::CredentialStore;

TEST_SUITE_BEGIN("cache/credentials");

TEST_CASE("an entry is found by its host, however docker login wrote the key") {
    const auto store = CredentialStore::parse(R"({"auths": {
        "https://index.docker.io/v1/": {"auth": "YWxpY2U6YTpi"},
        "https://ghcr.io/v2/": {"username": "bob", "password": "x"},
        "localhost:5000": {"auth": "YWxpY2U6cHcAAA=="}}})");
    REQUIRE(store);
    CHECK(store->find("docker.io")->username == "alice");
    CHECK(store->find("docker.io")->password == "a:b");
    CHECK(store->find("ghcr.io")->password == "x");
    CHECK(store->find("localhost:5000")->password == "pw"); // zero bytes behind it are no part of it
    CHECK(store->find("localhost")->is_anonymous());
}

TEST_CASE("tokens of an entry are kept apart") {
    const auto store = CredentialStore::parse(
        R"({"auths": {"a.io": {"identitytoken": "refresh", "auth": "PHRva2VuPjo="}, "b.io": {"registrytoken": "bearer"}}})");
    REQUIRE(store);
    CHECK(store->find("a.io")->identity_token == "refresh");
    CHECK(store->find("b.io")->registry_token == "bearer");
    CHECK_FALSE(store->find("b.io")->is_anonymous());
}

TEST_CASE("a damaged file is an error that does not repeat it") {
    for (const char* text :
         {"", "[]", R"({"auths": {"a.io": {"auth": "c2VjcmV0"}}})", R"({"auths": {"a.io": {"auth": "!"}}})"}) {
        CAPTURE(text);
        const auto store = CredentialStore::parse(text);
        REQUIRE_FALSE(store);
        CHECK(store.error().kind == ErrorKind::corrupt);
        CHECK(store.error().message.find("c2VjcmV0") == std::string::npos);
    }
}

TEST_CASE("a helper that is not installed is an error, not an anonymous user") {
    const auto store = CredentialStore::parse(R"({"credHelpers": {"a.io": "no-such-helper"}})");
    REQUIRE(store);
    CHECK(store->find("b.io")->is_anonymous());
    const auto found = store->find("a.io");
    REQUIRE_FALSE(found);
    CHECK(found.error().kind == ErrorKind::unavailable);
}

TEST_SUITE_END();
