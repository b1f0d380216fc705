// SPDX-License-Identifier: Apache-2.0
// From store to store over a remote: publishing, reading, bringing layers, and what happens when packs are gone.
#include "../store_fixture.hpp"
#include "cache/remote/remotes.hpp"
#include "cache/store/catalog.hpp"
#include "cache/store/records.hpp"
#include "memory_backend.hpp"

#include <doctest/doctest.h>
#include <thread>

using namespace dbuild;
using namespace dbuild::cache;
using namespace dbuild::cache::remote;
using namespace dbuild::cache::test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

/// A machine with a store of its own.
struct Machine {
    StoreFixture store;
    store::Index index = store::Index::open(store.root.path()).value();

    /// A step that made this layer, as a build records it. Out: its key.
    Digest make_step(const std::string& name, const std::string& tar, bool packs_at_once = true) {
        const auto diff_id = sha256(tar);
        const auto scan = store.layers.put(source_of(tar), diff_id).value();
        REQUIRE(index.record_layer(diff_id, {scan.size, false}, scan.contents));
        const auto key = sha256("key " + name);
        const store::StepRecord record{
            {key}, diff_id, sha256("content " + name), scan.size, "2026-11-21T10:00:00.000000000Z", 1.0, "", {}};
        REQUIRE(index.record_steps({&record, 1}, "scope", store::Index::OnConflict::replace));
        if (packs_at_once) REQUIRE(store.layers.flush());
        return key;
    }
    std::unique_ptr<Remotes> open(const fs::path& folder, const std::string& scope = "scope") {
        RemotesOptions options;
        options.urls = {parse_remote_url("dir:" + folder.string()).value()};
        options.scope = scope;
        return std::make_unique<Remotes>(store.layers, index, options);
    }
    void publish(const fs::path& folder, const std::vector<Digest>& keys, const std::string& scope = "scope") {
        const auto remotes = open(folder, scope);
        remotes->publisher().note_used(keys);
        remotes->finish(60s);
        CHECK(remotes->take_warnings().empty());
    }
    bool knows(const Digest& key) { return index.find_step({key}).value().has_value(); }
};

std::vector<fs::path> files_in(const fs::path& folder) {
    std::vector<fs::path> files;
    for (const auto& item : fs::recursive_directory_iterator(folder))
        if (item.is_regular_file()) files.push_back(item.path());
    return files;
}

struct RemoteFolder {
    TempDir folder = TempDir::create("dbuild-test-remote").value();
    fs::path path = folder.path() / "remote";
};

} // namespace

TEST_SUITE("cache/remote/remotes") {
    TEST_CASE("what one machine published another one has") {
        const RemoteFolder remote;
        Machine a, b;
        const auto tar = big_tar(1, 20);
        const auto key = a.make_step("one", tar);
        a.publish(remote.path, {key});
        CHECK(!b.knows(key));
        const auto remotes = b.open(remote.path);
        REQUIRE(b.knows(key));
        CHECK(b.index.find_contents(sha256(tar)).value());
        CHECK(remotes->is_new_here(sha256(tar)));
        CHECK(b.store.layers.has(sha256(tar)));
        CHECK(read_all(b.store.layers, sha256(tar)).value() == tar);
        CHECK(remotes->lost_layers() == 0);
    }
    TEST_CASE("a pack of which much is needed comes whole and stays; of another one only what is needed is read") {
        const RemoteFolder remote;
        Machine a, b, c;
        const auto small = tar_of("small", made_up_bytes(1, 100'000)),
                   large = tar_of("large", made_up_bytes(2, 20'000'000));
        const auto key = a.make_step("small", small, false), other = a.make_step("large", large);
        a.publish(remote.path, {key, other});
        REQUIRE(files_in(remote.path / "packs").size() == 1);
        {
            const auto remotes = b.open(remote.path);
            const auto index_bytes = remotes->traffic().bytes_read.load();
            CHECK(read_all(b.store.layers, sha256(small)).value() == small);
            CHECK(remotes->traffic().bytes_read - index_bytes < 2'500'000); // a block of data, one of recipes, and gaps
            CHECK(b.store.layers.catalog().find_layer(sha256(large)).value() == std::nullopt);
        }
        const auto remotes = c.open(remote.path);
        const Digest both[] = {sha256(small), sha256(large)};
        c.store.layers.bring(both);
        const auto requests = remotes->traffic().requests.load();
        CHECK(read_all(c.store.layers, sha256(small)).value() == small);
        CHECK(read_all(c.store.layers, sha256(large)).value() == large);
        CHECK(remotes->traffic().requests == requests);
        REQUIRE(layer_files_below(c.store.root.path()).size() == 1);
        CHECK(layer_files_below(c.store.root.path()).front().filename() ==
              files_in(remote.path / "packs").front().filename());
    }
    TEST_CASE("a layer whose pieces lie in older packs comes with them") {
        const RemoteFolder remote;
        Machine a, b;
        const auto first = big_tar(1, 30);
        const auto second = tar_of("new", made_up_bytes(9, 50'000)).substr(0, 512 + 50'176) + first;
        const auto key = a.make_step("first", first), next = a.make_step("second", second);
        a.publish(remote.path, {next}); // the first step is not the scope's business, its pack is
        REQUIRE(files_in(remote.path / "packs").size() == 2);
        const auto remotes = b.open(remote.path);
        CHECK(!b.knows(key));
        CHECK(read_all(b.store.layers, sha256(second)).value() == second);
    }
    TEST_CASE("a vanished pack is a miss of what needs it, and is there again after the next publication") {
        const RemoteFolder remote;
        Machine a, b, c;
        const auto kept = big_tar(1, 5), gone = big_tar(2, 5);
        const auto key = a.make_step("kept", kept), lost = a.make_step("gone", gone);
        a.publish(remote.path, {key});
        const auto before = files_in(remote.path / "packs");
        a.publish(remote.path, {key, lost});
        for (const auto& file : files_in(remote.path / "packs"))
            if (std::find(before.begin(), before.end(), file) == before.end()) fs::remove(file);
        {
            const auto remotes = b.open(remote.path);
            CHECK(b.store.layers.has(sha256(gone)));
            const auto read = read_all(b.store.layers, sha256(gone));
            REQUIRE(!read);
            CHECK(read.error().kind == ErrorKind::not_found);
            CHECK(!b.store.layers.has(sha256(gone)));
            CHECK(b.store.layers.has(sha256(kept)));
            CHECK(remotes->lost_layers() == 1);
            CHECK(remotes->take_warnings().size() == 1);
            b.make_step("gone", gone);
            remotes->publisher().note_made(lost, true);
            remotes->finish(60s);
        }
        const auto remotes = c.open(remote.path);
        CHECK(read_all(c.store.layers, sha256(gone)).value() == gone);
        CHECK(read_all(c.store.layers, sha256(kept)).value() == kept);
    }
    TEST_CASE("a damaged pack is never used, and gives way to a sound one") {
        const RemoteFolder remote;
        Machine a, b, c;
        const auto tar = big_tar(3, 5);
        const auto key = a.make_step("one", tar);
        a.publish(remote.path, {key});
        const auto pack = files_in(remote.path / "packs").front();
        for (std::size_t at = 100; at < fs::file_size(pack); at += 20'000) flip_byte(pack, at);
        {
            const auto remotes = b.open(remote.path);
            CHECK(!read_all(b.store.layers, sha256(tar)));
            CHECK(!b.store.layers.has(sha256(tar)));
            b.make_step("one", tar + std::string(512, '\0')); // another outcome of the same step
            remotes->publisher().note_made(key, true);
            remotes->finish(60s);
        }
        const auto remotes = c.open(remote.path);
        CHECK(c.index.find_step({key}).value()->diff_id == sha256(tar + std::string(512, '\0')));
        CHECK(read_all(c.store.layers, sha256(tar + std::string(512, '\0'))));
    }
    TEST_CASE("all machines come to the result that was published first") {
        const RemoteFolder remote;
        Machine a, b;
        const auto mine = big_tar(1, 3), theirs = big_tar(2, 3);
        const auto key = a.make_step("one", mine);
        b.make_step("one", theirs);
        a.publish(remote.path, {key});
        b.publish(remote.path, {key});
        CHECK(b.index.find_step({key}).value()->diff_id == sha256(mine));
        a.publish(remote.path, {key});
        CHECK(a.index.find_step({key}).value()->diff_id == sha256(mine));
    }
    TEST_CASE("ten writers of one scope at once: all their records are there") {
        const RemoteFolder remote;
        constexpr int k_writers = 10;
        std::vector<std::unique_ptr<Machine>> machines;
        std::vector<Digest> keys;
        for (int i = 0; i < k_writers; ++i) {
            machines.push_back(std::make_unique<Machine>());
            keys.push_back(machines.back()->make_step(std::to_string(i), big_tar(static_cast<std::uint64_t>(i), 2)));
        }
        std::vector<std::unique_ptr<Remotes>> remotes; // all have read that there is nothing
        for (auto& machine : machines) remotes.push_back(machine->open(remote.path));
        {
            std::vector<std::jthread> threads;
            for (std::size_t i = 0; i < k_writers; ++i)
                threads.emplace_back([&, i] {
                    remotes[i]->publisher().note_made(keys[i], false);
                    remotes[i]->finish(60s);
                });
        }
        for (auto& one : remotes) CHECK(one->take_warnings().empty());
        Machine reader;
        const auto read = reader.open(remote.path);
        for (int i = 0; i < k_writers; ++i) {
            CHECK(reader.knows(keys[static_cast<std::size_t>(i)]));
            const auto tar = big_tar(static_cast<std::uint64_t>(i), 2);
            CHECK(read_all(reader.store.layers, sha256(tar)).value() == tar);
        }
    }
    TEST_CASE("what a build has made is published while it goes on") {
        const RemoteFolder remote;
        Machine a;
        const auto key = a.make_step("one", big_tar(1, 2));
        std::atomic<bool> is_over = false;
        remote::test::MemoryService service;
        remote::test::MemoryBackend backend(service);
        Publisher publisher(a.store.layers, {{&backend, "scope", "memory", "", {}, {}}}, is_over, {.interval = 1ms});
        publisher.note_made(key, false);
        const auto is_published = [&] {
            const std::lock_guard lock(service.mutex);
            return !service.indexes["scope"].empty();
        };
        for (int i = 0; i < 20'000 && !is_published(); ++i) std::this_thread::sleep_for(1ms);
        CHECK(is_published());
        CHECK(publisher.finish(60s).empty());
    }
    TEST_CASE("an index that has not changed is neither read nor merged again") {
        const RemoteFolder remote;
        Machine a, b;
        const auto tar = big_tar(1, 5), other_tar = big_tar(2, 5);
        const auto key = a.make_step("one", tar), other = a.make_step("other", other_tar);
        a.publish(remote.path, {key});
        const auto bytes_of_build = [&](Machine& machine, const std::vector<Digest>& keys) {
            const auto remotes = machine.open(remote.path);
            remotes->publisher().note_used(keys);
            remotes->finish(60s);
            CHECK(remotes->take_warnings().empty());
            return remotes->traffic().bytes_read.load();
        };
        CHECK(bytes_of_build(a, {key}) == 0); // it has published that itself
        CHECK(bytes_of_build(b, {}) > 0);
        CHECK(bytes_of_build(b, {}) == 0);
        {
            const auto remotes = b.open(remote.path);
            CHECK(remotes->traffic().bytes_read == 0);
            CHECK(read_all(b.store.layers, sha256(tar)).value() == tar); // reads it after all
        }
        a.publish(remote.path, {other});
        CHECK(bytes_of_build(b, {}) > 0);
        CHECK(b.knows(other));
        CHECK(bytes_of_build(b, {key}) > 0); // whether it is published has to be looked up
        CHECK(bytes_of_build(b, {key}) == 0);
        CHECK(bytes_of_build(b, {key, other}) > 0);
        CHECK(bytes_of_build(b, {key, other}) == 0);
        SUBCASE("unless its rows were forgotten") {
            REQUIRE(store::Records::open(b.store.root.path()).value().remove_unused_since(store::unix_seconds() + 1));
            CHECK(!b.knows(other));
            (void)b.open(remote.path);
            CHECK(b.knows(other));
        }
        SUBCASE("unless one of them was replaced") {
            b.make_step("one", big_tar(3, 5));
            const auto remotes = b.open(remote.path);
            CHECK(b.index.find_step({key}).value()->diff_id == sha256(tar));
        }
        SUBCASE("nor is one taken for it that has its number") {
            fs::remove_all(remote.path);
            Machine c;
            const auto third = c.make_step("third", big_tar(4, 5));
            c.publish(remote.path, {});
            c.publish(remote.path, {third});
            (void)b.open(remote.path);
            CHECK(b.knows(third));
        }
    }
    TEST_CASE("a remote that fails costs warnings") {
        Machine a;
        const auto key = a.make_step("one", big_tar(1, 2));
        std::atomic<bool> is_over = false;
        remote::test::MemoryService service;
        remote::test::MemoryBackend backend(service);
        service.failures.assign(100, ErrorKind::unavailable);
        Publisher publisher(a.store.layers, {{&backend, "scope", "memory", "", {}, {}}}, is_over);
        publisher.note_made(key, false);
        CHECK(publisher.finish(60s) == std::vector<std::string>{"memory: told to fail"});
    }
    TEST_CASE("scopes are apart: a build reads its own and those that it is told") {
        const RemoteFolder remote;
        Machine a, b, c;
        const auto key = a.make_step("one", big_tar(1, 2));
        a.publish(remote.path, {key}, "theirs");
        const auto own = b.open(remote.path, "mine");
        CHECK(!b.knows(key));
        RemotesOptions options;
        options.urls = {parse_remote_url("dir:" + remote.path.string()).value()};
        options.scope = "mine";
        options.fallback_scopes = {"nobody's", "theirs"};
        const Remotes remotes(c.store.layers, c.index, options);
        CHECK(c.knows(key));
    }
}
