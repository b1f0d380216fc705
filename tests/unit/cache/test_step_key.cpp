// SPDX-License-Identifier: Apache-2.0
// Step keys and chains: golden digests (a change of encoding must be meant) and what must tell keys apart.
#include "cache/step_key.hpp"

#include <doctest/doctest.h>

using namespace dbuild;
using namespace dbuild::cache;

TEST_SUITE_BEGIN("cache/step_key");

TEST_CASE("the key is SHA-256 over the length-prefixed fields of schema 1") {
    StepKeyBuilder builder("run");
    builder.add("command", "make");
    builder.add("env", std::vector<std::string>{"A=1", "B=2"});
    CHECK(builder.finish().digest == sha256("17:dbuild step key 14:kind3:run7:command4:make3:env10:3:A=13:B=2"));
    CHECK(builder.finish().digest.to_string() ==
          "sha256:0f76a9321d5edd073d81e45189c621c3d8b8f96c3d3c927d170826999d376009");
}

TEST_CASE("the chain of a base and its links are golden") {
    const auto empty = Chain::of_base({});
    CHECK(empty.digest() == sha256("14:dbuild chain 1"));
    CHECK(empty.after(sha256("a")).digest() == sha256("64:" + empty.digest().hex() + "64:" + sha256("a").hex()));
    CHECK(empty.after(sha256("a")).digest().to_string() ==
          "sha256:a3c7efcad6d64d008894abfdead25737f5d10a23ac07c089cb7099600b230bda");
}

TEST_CASE("a link without cutoff is golden, and changes with the key and with the layer") {
    const auto empty = Chain::of_base({});
    const StepKey key{sha256("k")};
    CHECK(empty.after_run(key, sha256("a")).digest() ==
          sha256("64:" + empty.digest().hex() + "64:" + key.digest.hex() + "64:" + sha256("a").hex()));
    CHECK(empty.after_run(key, sha256("a")).digest() != empty.after_run(key, sha256("b")).digest());
    CHECK(empty.after_run(key, sha256("a")).digest() != empty.after_run(StepKey{sha256("l")}, sha256("a")).digest());
}

TEST_CASE("order counts in chains") {
    const auto base = Chain::of_base({sha256("l")});
    CHECK(base.after(sha256("a")).after(sha256("b")).digest() != base.after(sha256("b")).after(sha256("a")).digest());
    CHECK(Chain::of_base({sha256("a"), sha256("b")}).digest() != Chain::of_base({sha256("b"), sha256("a")}).digest());
}

TEST_CASE("no bytes can move between fields, values, or names") {
    const auto key = [](auto... fields) {
        StepKeyBuilder builder("run");
        (builder.add(fields.first, fields.second), ...);
        return builder.finish();
    };
    using Field = std::pair<std::string_view, std::string_view>;
    using List = std::pair<std::string_view, std::vector<std::string>>;
    CHECK(key(Field{"a", "bc"}) != key(Field{"ab", "c"}));
    CHECK(key(Field{"a", "1"}, Field{"b", "2"}) != key(Field{"a", "11:b1:2"}));
    CHECK(key(List{"a", {"x", "y"}}) != key(List{"a", {"xy"}}));
    CHECK(key(List{"a", {"x", "y"}}) != key(List{"a", {"y", "x"}}));
    CHECK(key(List{"a", {}}) != key(List{"a", {""}}));
    CHECK(StepKeyBuilder("run").finish() != StepKeyBuilder("copy").finish());
}

TEST_CASE("the ingredients are readable lines in the order of adding") {
    StepKeyBuilder builder("copy");
    builder.add("source", "src");
    builder.add("content", Digest());
    CHECK(builder.ingredients() == "kind=copy\nsource=src\ncontent=" + Digest().to_string() + "\n");
}

TEST_SUITE_END();
