// SPDX-License-Identifier: Apache-2.0
// What every backend must do, whatever is behind it. A new one is listed in test_backends.cpp, and nothing else is new.
#pragma once

#include "../store_fixture.hpp"
#include "cache/remote/backend.hpp"

#include <algorithm>
#include <functional>
#include <thread>

namespace dbuild::cache::remote::test {

/// A file with these bytes, and its name as a pack.
struct PackOnDisk {
    TempDir folder = TempDir::create("dbuild-test-pack").value();
    std::filesystem::path path = folder.path() / "pack";
    Digest name;
    explicit PackOnDisk(const std::string& bytes) : name(sha256(bytes)) { REQUIRE(write_file(path, bytes)); }
};

/// In: open — another client of the same empty remote at each call.
inline void check_contract(const std::function<std::unique_ptr<Backend>()>& open) {
    const auto backend = open(), other = open();
    const auto bytes = cache::test::made_up_bytes(1, 3'000'000);
    const PackOnDisk pack(bytes);

    SUBCASE("what nobody put is a miss, not an error") {
        CHECK(!backend->read_pack(pack.name, 0, 10).value());
        CHECK(backend->find_packs({{pack.name}}).value().empty());
        CHECK(!backend->read_index("scope", "").value());
        CHECK(backend->list_scopes().value().empty());
    }
    SUBCASE("a pack is there for everybody, and ranges of it are read") {
        REQUIRE(backend->put_pack(pack.name, pack.path));
        CHECK(other->read_pack(pack.name, 0, bytes.size()).value() == bytes);
        CHECK(other->read_pack(pack.name, 1'234'567, 89).value() == bytes.substr(1'234'567, 89));
        CHECK(other->find_packs(std::vector{sha256("another"), pack.name}).value() == std::vector{pack.name});
    }
    SUBCASE("a range beyond the end is what there is of it") {
        REQUIRE(backend->put_pack(pack.name, pack.path));
        CHECK(backend->read_pack(pack.name, bytes.size() - 5, 100).value() == bytes.substr(bytes.size() - 5));
        CHECK(backend->read_pack(pack.name, bytes.size() + 5, 100).value() == std::string());
    }
    SUBCASE("a pack that is there is not read again") {
        REQUIRE(backend->put_pack(pack.name, pack.path));
        CHECK(other->put_pack(pack.name, "/no/such/file"));
    }
    SUBCASE("a file that does not match its name is refused") {
        CHECK(!backend->put_pack(sha256("something else"), pack.path));
        CHECK(!backend->read_pack(sha256("something else"), 0, 1).value());
    }
    SUBCASE("an index replaces the one that was read, and no other") {
        const auto first = backend->replace_index("scope", "one", "").value();
        REQUIRE(first);
        CHECK(!other->replace_index("scope", "instead", "").value()); // had read none
        const auto read = other->read_index("scope", "").value();
        REQUIRE(read);
        CHECK(read->bytes == "one");
        CHECK(read->version == *first);
        const auto known = backend->read_index("scope", *first).value();
        REQUIRE(known);
        CHECK(known->version == *first);
        CHECK(known->bytes.empty());
        const auto second = other->replace_index("scope", "two", read->version).value();
        REQUIRE(second);
        CHECK(*second != *first);
        CHECK(!backend->replace_index("scope", "late", *first).value());
        CHECK(backend->read_index("scope", *first).value()->bytes == "two");
    }
    SUBCASE("scopes do not touch each other, whatever they are called") {
        const std::string names[] = {"a", "a/b", "..", ".", "a#b@linux/amd64~feature/\xc3\xbc", "%2F", "A"};
        for (const auto& name : names) REQUIRE(backend->replace_index(name, "of " + name, "").value());
        for (const auto& name : names) CHECK(other->read_index(name, "").value()->bytes == "of " + name);
        auto listed = other->list_scopes().value();
        CHECK(listed.size() == std::size(names));
        for (const auto& name : names)
            CHECK(std::any_of(listed.begin(), listed.end(), [&](const auto& scope) { return scope.name == name; }));
    }
    SUBCASE("of many who add to one index at once, nobody is lost") {
        constexpr int k_writers = 10, k_rounds = 5;
        {
            std::vector<std::jthread> writers;
            for (int writer = 0; writer < k_writers; ++writer)
                writers.emplace_back([&, writer] {
                    const auto own = open();
                    for (int round = 0; round < k_rounds; ++round)
                        for (;;) {
                            const auto read = own->read_index("scope", "");
                            if (!read) continue; // it moved too fast
                            const auto text = (*read ? (*read)->bytes : "") + std::to_string(writer) + " ";
                            const auto done = own->replace_index("scope", text, *read ? (*read)->version : "");
                            if (done && *done) break;
                        }
                });
        }
        const auto text = backend->read_index("scope", "").value()->bytes;
        for (int writer = 0; writer < k_writers; ++writer)
            CHECK(std::count(text.begin(), text.end(), static_cast<char>('0' + writer)) == k_rounds);
    }
}

} // namespace dbuild::cache::remote::test
