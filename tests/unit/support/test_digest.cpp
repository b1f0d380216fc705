// SPDX-License-Identifier: Apache-2.0
// SHA-256: known vectors, pieces, and the text form.
#include "support/digest.hpp"

#include <doctest/doctest.h>

using namespace dbuild;

TEST_SUITE_BEGIN("support/digest");

TEST_CASE("the digests are those of FIPS 180") {
    CHECK(sha256("").hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(sha256("abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_CASE("pieces give the digest of the whole") {
    Sha256 hasher;
    hasher.update("a");
    hasher.update("");
    hasher.update("bc");
    CHECK(hasher.finish() == sha256("abc"));
}

TEST_CASE("the text form is read back") {
    CHECK(Digest::parse(sha256("x").to_string()).value() == sha256("x"));
    CHECK(Digest().is_zero());
    CHECK_FALSE(sha256("").is_zero());
}

TEST_CASE("any other text is corrupt") {
    const auto good = sha256("abc").to_string();
    for (const auto& text :
         {std::string(), good.substr(7), good.substr(0, 70), good + "0", "sha512:" + good.substr(7),
          "sha256:" + std::string(64, 'g'), "SHA256:" + good.substr(7), "sha256:" + std::string(64, 'A')}) {
        CAPTURE(text);
        const auto digest = Digest::parse(text);
        REQUIRE_FALSE(digest);
        CHECK(digest.error().kind == ErrorKind::corrupt);
    }
}

TEST_SUITE_END();
