// SPDX-License-Identifier: Apache-2.0
// Looking after the store: prune, verify, rebuild, export and import.
#include "cache/step_content.hpp"
#include "cache/store/catalog.hpp"
#include "cache/store/index.hpp"
#include "cache/store/prune.hpp"
#include "cache/store/rebuild.hpp"
#include "cache/store/records.hpp"
#include "cache/store/transfer.hpp"
#include "cache/store/verify.hpp"
#include "support/compression.hpp"
#include "tests/unit/cache/store_fixture.hpp"

#include <sqlite3.h>

#include <atomic>
#include <thread>

namespace fs = std::filesystem;
using namespace dbuild;
using namespace dbuild::cache;
using namespace dbuild::cache::test;
using store::Index;
using store::LayerStore;
using store::PruneOptions;

namespace {

struct Fixture : StoreFixture {
    /// Layers of about 1 MB each, recorded as the steps of one scope each; the lease ends with the store, so it is
    /// opened anew.
    std::vector<Digest> add_steps(int count) {
        auto index = Index::open(root.path()).value();
        std::vector<Digest> diff_ids;
        for (int i = 0; i < count; ++i) {
            const auto tar = tar_of("file", made_up_bytes(static_cast<std::uint64_t>(i), 2'000'000));
            diff_ids.push_back(add_layer(tar));
            const auto scan = oci::scan_layer(source_of(tar)).value();
            REQUIRE(index.record_layer(diff_ids.back(), {scan.size, false}, scan.contents));
            const auto number = std::to_string(i);
            const auto step = step_of(sha256("key" + number), scan);
            REQUIRE(index.record_steps({&step, 1}, "scope" + number, Index::OnConflict::replace));
        }
        layers = LayerStore::open(root.path()).value();
        return diff_ids;
    }

    /// A RUN that made it in 100 ms.
    static store::StepRecord step_of(const Digest& key, const oci::LayerScan& scan) {
        const std::string created = "2026-11-21T05:43:13Z", ingredients = "kind=run\n";
        const auto finished = parse_rfc3339(created).value();
        const auto content_id =
            content_id_of_step(ingredients, scan.contents, finished - std::chrono::milliseconds(100), finished);
        return {StepKey{key}, scan.diff_id, content_id, scan.size, created, 100, ingredients, {}};
    }

    void execute(const std::string& sql) {
        sqlite3* database = nullptr;
        REQUIRE(sqlite3_open((root.path() / "index.sqlite").c_str(), &database) == SQLITE_OK);
        CHECK(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
        sqlite3_close(database);
    }

    /// As if it had been used so long ago.
    void age(const Digest& diff_id, int seconds) {
        const auto blob = "x'" + diff_id.hex() + "'";
        execute("UPDATE packed_layer SET used = used - " + std::to_string(seconds) + " WHERE diff_id = " + blob);
        execute("UPDATE scope_step SET used = used - " + std::to_string(seconds) +
                " WHERE key IN (SELECT key FROM step WHERE diff_id = " + blob + ")");
    }

    void set_parent(int step, const Digest& parent) {
        execute("UPDATE step SET parent = x'" + parent.hex() + "' WHERE key = x'" +
                sha256("key" + std::to_string(step)).hex() + "'");
    }

    /// As another process: nothing stays in the packs where it was, and they go.
    void pack_again(const std::vector<Digest>& diff_ids, std::size_t pack_count) {
        const auto other = LayerStore::open(root.path()).value();
        const auto packs = other.catalog().packs().value();
        for (const auto& pack : packs) CHECK(other.catalog().retire_pieces(pack.name));
        for (const auto& diff_id : diff_ids) {
            CHECK(other.repack(diff_id));
            if (pack_count > 1) CHECK(other.flush());
        }
        CHECK(other.flush());
        CHECK(store::prune(other, PruneOptions{}).value().removed_packs > 0);
    }

    bool is_stored(const Digest& diff_id) { return layers.catalog().find_layer(diff_id).value().has_value(); }
};

} // namespace

TEST_SUITE_BEGIN("cache/store_upkeep");

TEST_CASE_FIXTURE(Fixture, "prune evicts the least recently used layers until the rest fits") {
    const auto diff_ids = add_steps(4);
    age(diff_ids[2], 50'000);
    age(diff_ids[0], 20'000);
    PruneOptions options;
    options.max_bytes = 2'500'000; // each takes about 1 MB
    const auto result = store::prune(layers, options).value();
    CHECK(result.evicted_layers == 2);
    CHECK(result.removed_packs == 2);
    CHECK(result.bytes_after <= 2'500'000);
    CHECK(result.bytes_after < result.bytes_before);
    CHECK_FALSE(is_stored(diff_ids[2]));
    CHECK_FALSE(is_stored(diff_ids[0]));
    CHECK(read_all(layers, diff_ids[1]));
    CHECK(read_all(layers, diff_ids[3]));
    CHECK(layer_files_below(root.path()).size() == 2);
    CHECK(Index::open(root.path()).value().find_step({sha256("key2")}).value()); // records outlive layers
}

TEST_CASE_FIXTURE(Fixture, "of layers used at the same time the newest goes first: what it stands on stays") {
    const auto diff_ids = add_steps(3);
    execute("UPDATE packed_layer SET used = 1000000; UPDATE scope_step SET used = 1000000");
    for (std::size_t i = 0; i < 3; ++i)
        execute("UPDATE packed_layer SET created = " + std::to_string(100 + i) + " WHERE diff_id = x'" +
                diff_ids[i].hex() + "'");
    PruneOptions options;
    options.max_bytes = 2'500'000;
    REQUIRE(store::prune(layers, options));
    CHECK(is_stored(diff_ids[0]));
    CHECK(is_stored(diff_ids[1]));
    CHECK_FALSE(is_stored(diff_ids[2]));
}

TEST_CASE_FIXTURE(Fixture, "a layer goes before what it stands on, whichever is older and dearer") {
    const auto diff_ids = add_steps(3);
    set_parent(1, diff_ids[0]);
    set_parent(2, diff_ids[1]);
    age(diff_ids[0], 90'000);
    execute("UPDATE step SET wall_ms = 100000 WHERE diff_id = x'" + diff_ids[2].hex() + "'");
    PruneOptions options;
    options.max_bytes = 1'500'000;
    REQUIRE(store::prune(layers, options));
    CHECK(is_stored(diff_ids[0]));
    CHECK_FALSE(is_stored(diff_ids[1]));
    CHECK_FALSE(is_stored(diff_ids[2]));
}

TEST_CASE_FIXTURE(Fixture, "what a kept layer stands on stays") {
    const auto diff_ids = add_steps(3);
    set_parent(1, diff_ids[0]);
    REQUIRE(layers.has(diff_ids[1]));
    PruneOptions options;
    options.max_bytes = 0;
    REQUIRE(store::prune(layers, options));
    CHECK(is_stored(diff_ids[0]));
    CHECK(is_stored(diff_ids[1]));
    CHECK_FALSE(is_stored(diff_ids[2]));
}

TEST_CASE_FIXTURE(Fixture, "of layers of the same size and age the cheapest to make goes first") {
    const auto diff_ids = add_steps(3);
    execute("UPDATE step SET wall_ms = 1000 * 60 WHERE diff_id <> x'" + diff_ids[1].hex() + "'");
    PruneOptions options;
    options.max_bytes = 2'500'000;
    REQUIRE(store::prune(layers, options));
    CHECK(is_stored(diff_ids[0]));
    CHECK_FALSE(is_stored(diff_ids[1]));
    CHECK(is_stored(diff_ids[2]));
}

TEST_CASE_FIXTURE(Fixture, "no record goes by age while its layer is stored") {
    const auto diff_ids = add_steps(1);
    execute("UPDATE scope_step SET used = 1");
    PruneOptions options;
    options.max_age = std::chrono::hours(24 * 30);
    CHECK(store::prune(layers, options).value().removed_records == 0);
    CHECK(Index::open(root.path()).value().find_step({sha256("key0")}).value());
    execute("UPDATE packed_layer SET used = 1; UPDATE scope_step SET used = 1");
    CHECK(store::prune(layers, options).value().removed_records == 1);
    CHECK_FALSE(is_stored(diff_ids[0]));
}

TEST_CASE_FIXTURE(Fixture, "a dry run changes nothing and says what would go") {
    add_steps(3);
    PruneOptions options;
    options.max_bytes = 0;
    options.is_dry_run = true;
    const auto result = store::prune(layers, options).value();
    CHECK(result.evicted_layers == 3);
    CHECK(result.bytes_after == 0);
    CHECK(layer_files_below(root.path()).size() == 3);
}

TEST_CASE_FIXTURE(Fixture, "what a scope uses stays if it is to be kept") {
    const auto diff_ids = add_steps(3);
    PruneOptions options;
    options.max_bytes = 0;
    options.keep_scopes = {"scope1"};
    REQUIRE(store::prune(layers, options));
    CHECK_FALSE(is_stored(diff_ids[0]));
    CHECK(is_stored(diff_ids[1]));
    CHECK_FALSE(is_stored(diff_ids[2]));
}

TEST_CASE_FIXTURE(Fixture, "old layers go with their records, whatever the size") {
    const auto diff_ids = add_steps(2);
    age(diff_ids[0], 100 * 86400);
    PruneOptions options;
    options.max_age = std::chrono::hours(24 * 30);
    const auto result = store::prune(layers, options).value();
    CHECK(result.evicted_layers == 1);
    CHECK(result.removed_records == 1);
    auto index = Index::open(root.path()).value();
    CHECK_FALSE(index.find_step({sha256("key0")}).value());
    CHECK_FALSE(index.find_layer(diff_ids[0]).value());
    CHECK(index.find_step({sha256("key1")}).value());
}

TEST_CASE_FIXTURE(Fixture, "what another living process was told to be there is not evicted, until it ends") {
    const auto diff_ids = add_steps(2);
    std::optional other(LayerStore::open(root.path()).value());
    REQUIRE(other->has(diff_ids[0]));
    PruneOptions options;
    options.max_bytes = 0;
    REQUIRE(store::prune(layers, options));
    CHECK(read_all(*other, diff_ids[0]));
    CHECK_FALSE(other->has(diff_ids[1]));
    other.reset();
    REQUIRE(store::prune(layers, options));
    CHECK_FALSE(is_stored(diff_ids[0]));
    CHECK(layer_files_below(root.path()).empty());
}

TEST_CASE_FIXTURE(Fixture, "a pack that is mostly dead is packed again, and what lives on in it is the same") {
    std::vector<std::string> tars;
    for (std::uint64_t i = 0; i < 4; ++i) tars.push_back(tar_of("file", made_up_bytes(i, 2'000'000)));
    for (const auto& tar : tars) REQUIRE(layers.put(source_of(tar), sha256(tar)));
    REQUIRE(layers.flush());
    layers = LayerStore::open(root.path()).value();
    REQUIRE(layer_files_below(root.path()).size() == 1);
    for (std::size_t i = 0; i < 3; ++i) age(sha256(tars[i]), 10'000);
    PruneOptions options;
    options.max_bytes = 1'500'000;
    const auto result = store::prune(layers, options).value();
    CHECK(result.evicted_layers == 3);
    CHECK(result.repacked_layers == 1);
    CHECK(result.bytes_after <= 1'500'000);
    CHECK(read_all(layers, sha256(tars[3])).value() == tars[3]);
    CHECK(layer_files_below(root.path()).size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "layers that are packed again meanwhile are there all the time") {
    const std::vector<Digest> diff_ids{add_layer(big_tar(7, 6)), add_layer(big_tar(8, 6))};
    std::atomic<bool> has_ended = false;
    std::thread reader([&] { // as good as another process: it has an index and descriptors of its own
        const auto other = LayerStore::open(root.path()).value();
        while (!has_ended)
            for (const auto& diff_id : diff_ids) CHECK(other.has(diff_id));
    });
    for (int round = 0; round < 200; ++round) pack_again(diff_ids, round % 2 == 0 ? 1 : 2);
    has_ended = true;
    reader.join();
}

TEST_CASE_FIXTURE(Fixture, "a layer that is packed again while it is read is read to its end") {
    const auto shared = made_up_bytes(1, 200'000);
    const auto below = add_layer(tar_of("file", shared));
    std::string tar; // its last piece is in the other pack, which is not wanted before most of it was read
    for (std::uint64_t i = 0; i < 64; ++i) tar += oci::tar_header("file", 1u << 18) + made_up_bytes(100 + i, 1u << 18);
    tar += tar_of("file", shared);
    const auto diff_id = add_layer(tar);
    REQUIRE(layers.catalog().packs_of(diff_id).value().size() == 2);
    layers = LayerStore::open(root.path()).value(); // who packed it has a lease on the other pack
    std::size_t size = 0;
    const auto read = layers.read(diff_id, [&](std::string_view bytes) -> Status {
        if (size == 0) pack_again({diff_id, below}, 1);
        size += bytes.size();
        return {};
    });
    CHECK(read);
    CHECK(size == tar.size());
    CHECK(layers.has(diff_id));
}

TEST_CASE_FIXTURE(Fixture, "verify finds nothing in a sound store, and each damage in another; repair makes it sound") {
    const auto diff_ids = add_steps(2);
    const auto blob = made_up_bytes(9, 5000);
    REQUIRE(layers.put_blob(source_of(blob), sha256(blob)));
    const auto sound = store::verify(layers, store::Repair::no, nullptr).value();
    CHECK(sound.problems.empty());
    CHECK(sound.packs == 2);
    CHECK(sound.layers == 2);
    CHECK(sound.blobs == 1);
    for (const auto& file : layer_files_below(root.path()))
        if (file.extension() == ".blob" || file == layer_files_below(root.path()).front()) flip_byte(file, 2000);
    const auto damaged = store::verify(layers, store::Repair::no, nullptr).value();
    CHECK(damaged.problems.size() == 3); // a pack, the layer in it, a blob
    const auto repaired = store::verify(layers, store::Repair::yes, nullptr).value();
    CHECK(repaired.problems.size() == 2); // the layer went with its pack
    CHECK(store::verify(layers, store::Repair::no, nullptr).value().problems.empty());
    CHECK(is_stored(diff_ids[0]) != is_stored(diff_ids[1]));
    CHECK_FALSE(layers.has(sha256(blob)));
}

TEST_CASE_FIXTURE(Fixture, "verify finds each kind of row that lies, and repair makes it anew from the packs") {
    const auto diff_ids = add_steps(2);
    const auto damages = [&](const std::string& sql) {
        execute(sql);
        CHECK_FALSE(store::verify(layers, store::Repair::no, nullptr).value().problems.empty());
        CHECK_FALSE(store::verify(layers, store::Repair::yes, nullptr).value().problems.empty());
        CHECK(store::verify(layers, store::Repair::no, nullptr).value().problems.empty());
        CHECK(Index::open(root.path()).value().find_contents(diff_ids[0]).value().has_value());
        CHECK(read_all(layers, diff_ids[0]));
        CHECK(is_stored(diff_ids[1]));
    };
    SUBCASE("a piece at another place") {
        damages("UPDATE piece SET start = start + 1 WHERE hash = (SELECT MIN(hash) FROM piece)");
    }
    SUBCASE("a piece in another pack") {
        damages("UPDATE piece SET pack = (SELECT MAX(id) FROM pack) WHERE hash = (SELECT MIN(hash) FROM piece WHERE "
                "pack = (SELECT "
                "MIN(id) FROM pack))");
    }
    SUBCASE("a pack's size") {
        damages("UPDATE pack SET raw_bytes = raw_bytes + 1 WHERE id = (SELECT MIN(id) FROM pack)");
    }
    SUBCASE("a pack that a layer needs") {
        damages("DELETE FROM packed_layer_needs WHERE diff_id = x'" + diff_ids[0].hex() + "'");
    }
    SUBCASE("a layer's size") {
        damages("UPDATE layer SET size = size + 512 WHERE diff_id = x'" + diff_ids[0].hex() + "'");
    }
    SUBCASE("a table of contents") {
        damages("UPDATE layer SET contents = CAST(substr(contents, 1, 20) || x'ff' || substr(contents, 22) AS BLOB) "
                "WHERE diff_id = x'" +
                diff_ids[0].hex() + "'");
    }
    SUBCASE("a sound table of contents of another layer") {
        damages("UPDATE layer SET contents = (SELECT contents FROM layer WHERE diff_id = x'" + diff_ids[1].hex() +
                "') WHERE diff_id = x'" + diff_ids[0].hex() + "'");
    }
    SUBCASE("a step's content ID") {
        damages("UPDATE step SET content_id = zeroblob(32) WHERE diff_id = x'" + diff_ids[0].hex() + "'");
        CHECK_FALSE(Index::open(root.path()).value().find_step({sha256("key0")}).value()); // it runs again
    }
    SUBCASE("a look-up table of SQLite's") {
        damages("PRAGMA writable_schema = ON; CREATE TEMP TABLE kept AS SELECT sql FROM sqlite_schema WHERE name = "
                "'step_by_layer';"
                "UPDATE sqlite_schema SET sql = 'CREATE INDEX step_by_layer ON step(content_id)' WHERE name = "
                "'step_by_layer';"
                "PRAGMA writable_schema = RESET; REINDEX step_by_layer;"
                "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = (SELECT sql FROM kept) WHERE name = "
                "'step_by_layer';");
    }
}

TEST_CASE_FIXTURE(Fixture,
                  "verify looks into the blobs of base images too, and repair corrects what the index says of them") {
    const auto tar = tar_of("file", made_up_bytes(1, 5000));
    const auto blob = zstd_compress(tar).value();
    REQUIRE(layers.put_blob(source_of(blob), sha256(blob)));
    const auto scan = oci::scan_layer(source_of(tar)).value();
    auto index = Index::open(root.path()).value();
    REQUIRE(index.record_layer(scan.diff_id, {scan.size, true}, scan.contents));
    CHECK(store::verify(layers, store::Repair::no, nullptr).value().problems.empty());
    REQUIRE(index.record_layer(scan.diff_id, {scan.size, true}, {}));
    CHECK(store::verify(layers, store::Repair::yes, nullptr).value().problems.size() == 1);
    CHECK(store::verify(layers, store::Repair::no, nullptr).value().problems.empty());
    CHECK(index.find_contents(scan.diff_id).value()->entries.size() == 1);
    CHECK(index.find_layer(scan.diff_id).value()->is_made_in_process);
}

TEST_CASE_FIXTURE(Fixture, "verify finds a layer whose pack the index lost; repair has its step run again") {
    const auto diff_ids = add_steps(1);
    execute("UPDATE packed_layer SET pack = 999; UPDATE packed_layer_needs SET pack = 999");
    const auto found = store::verify(layers, store::Repair::yes, nullptr).value();
    REQUIRE(found.problems.size() == 1);
    CHECK(found.problems[0].find(diff_ids[0].hex()) != std::string::npos);
    CHECK_FALSE(is_stored(diff_ids[0]));
    CHECK(store::verify(layers, store::Repair::no, nullptr).value().problems.empty());
}

TEST_CASE_FIXTURE(Fixture,
                  "a flipped byte never changes what a table of contents says; a damaged one makes its step a miss") {
    const auto diff_ids = add_steps(1);
    std::string contents;
    {
        auto database = store::Database::open(root.path()).value();
        auto select = database.query("SELECT contents FROM layer").value();
        REQUIRE(select.step().value());
        contents = select.bytes(0);
    }
    const auto sound = oci::encode(store::unpack_contents(contents).value());
    for (std::size_t i = 0; i < contents.size(); ++i) {
        auto flipped = contents;
        flipped[i] = static_cast<char>(flipped[i] ^ 0x20);
        CAPTURE(i);
        const auto read = store::unpack_contents(flipped);
        CHECK((!read || oci::encode(*read) == sound)); // zstd's header has bits that nothing depends on
    }
    REQUIRE(layers.catalog().forget_layers(diff_ids));
    execute("UPDATE layer SET contents = x'00'");
    CHECK(store::verify(layers, store::Repair::yes, nullptr).value().problems.size() == 1);
    CHECK_FALSE(Index::open(root.path()).value().find_step({sha256("key0")}).value());
    CHECK(store::verify(layers, store::Repair::no, nullptr).value().problems.empty());
}

TEST_CASE_FIXTURE(Fixture, "an index that was lost is made again from the packs, with steps and tables of contents") {
    const auto diff_ids = add_steps(2);
    // Steps are listed in the pack that is closed after they were recorded: a second layer on the first one's heels.
    {
        auto index = Index::open(root.path()).value();
        const auto tar = tar_of("late", "late");
        const auto scan = layers.put(source_of(tar), sha256(tar)).value();
        REQUIRE(index.record_layer(scan.diff_id, {scan.size, false}, scan.contents));
        const auto base_layer = sha256("base layer");
        auto step = step_of(sha256("late key"), scan);
        step.wall_ms = 2500.5;
        step.parent = base_layer;
        REQUIRE(index.record_steps({&step, 1}, "scope", Index::OnConflict::replace));
        REQUIRE(layers.flush());
    }
    for (const auto* suffix : {"", "-wal", "-shm"}) fs::remove(root.path() / ("index.sqlite" + std::string(suffix)));
    layers = LayerStore::open(root.path()).value();
    CHECK_FALSE(is_stored(diff_ids[0]));
    const auto result = store::rebuild_index(layers, nullptr).value();
    CHECK(result.packs == 3);
    CHECK(result.layers == 3);
    CHECK(read_all(layers, diff_ids[0]));
    CHECK(read_all(layers, diff_ids[1]));
    const auto found = Index::open(root.path()).value().find_step({sha256("late key")}).value();
    REQUIRE(found);
    CHECK(found->wall_ms == doctest::Approx(2500.5));
    CHECK(found->layer_bytes == tar_of("late", "late").size());
    const auto recorded = store::Records::open(root.path()).value().find_step(sha256("late key").hex()).value();
    REQUIRE(recorded);
    CHECK(recorded->parent == sha256("base layer"));
    CHECK(recorded->scopes == std::vector<std::string>{"scope"});
    CHECK(store::verify(layers, store::Repair::no, nullptr).value().problems.empty());
    CHECK(store::rebuild_index(layers, nullptr).value().packs == 0);
}

TEST_CASE_FIXTURE(Fixture, "rebuilding removes a pack that is damaged and lists the others") {
    add_steps(2);
    const auto files = layer_files_below(root.path());
    flip_byte(files.front(), fs::file_size(files.front()) / 2);
    for (const auto* suffix : {"", "-wal", "-shm"}) fs::remove(root.path() / ("index.sqlite" + std::string(suffix)));
    layers = LayerStore::open(root.path()).value();
    const auto result = store::rebuild_index(layers, nullptr).value();
    CHECK(result.packs == 1);
    CHECK(result.damaged_packs == 1);
    CHECK_FALSE(fs::exists(files.front()));
}

TEST_CASE_FIXTURE(Fixture, "another store has everything after an import, and a second import adds nothing") {
    const auto diff_ids = add_steps(2);
    const auto blob = made_up_bytes(9, 5000);
    REQUIRE(layers.put_blob(source_of(blob), sha256(blob)));
    const auto file = root.path() / "export";
    const auto exported = store::export_store(layers, file, nullptr).value();
    CHECK(exported.packs == 2);
    CHECK(exported.blobs == 1);
    StoreFixture other;
    const auto imported = store::import_store(other.layers, file, nullptr).value();
    CHECK(imported.packs == 2);
    CHECK(imported.blobs == 1);
    CHECK(imported.records == exported.records);
    CHECK(read_all(other.layers, diff_ids[1]).value() == read_all(layers, diff_ids[1]).value());
    CHECK(read_all(other.layers, sha256(blob)).value() == blob);
    CHECK(Index::open(other.root.path()).value().find_step({sha256("key1")}).value()->diff_id == diff_ids[1]);
    const auto again = store::import_store(other.layers, file, nullptr).value();
    CHECK(again.packs == 0);
    CHECK(again.blobs == 0);
    CHECK(store::verify(other.layers, store::Repair::no, nullptr).value().problems.empty());
}

TEST_CASE_FIXTURE(Fixture, "a damaged export is corrupt, and nothing damaged is taken from it") {
    add_steps(1);
    const auto file = root.path() / "export";
    REQUIRE(store::export_store(layers, file, nullptr));
    SUBCASE("a flipped byte") { flip_byte(file, fs::file_size(file) / 2); }
    SUBCASE("cut off") { fs::resize_file(file, fs::file_size(file) / 2); }
    SUBCASE("something else") { REQUIRE(write_file(file, std::string(5000, 'x'))); }
    StoreFixture other;
    const auto imported = store::import_store(other.layers, file, nullptr);
    REQUIRE_FALSE(imported);
    CHECK(imported.error().kind == ErrorKind::corrupt);
    CHECK(store::verify(other.layers, store::Repair::no, nullptr).value().problems.empty());
}

TEST_CASE_FIXTURE(Fixture, "a step is found by the first digits of its key") {
    add_steps(3);
    auto records = store::Records::open(root.path()).value();
    const auto hex = sha256("key1").hex();
    CHECK(records.find_step(hex).value()->key == sha256("key1"));
    CHECK(records.find_step("sha256:" + hex).value()->ingredients == "kind=run\n");
    CHECK(records.find_step(hex.substr(0, 12)).value()->key == sha256("key1"));
    CHECK_FALSE(records.find_step("").value());
    CHECK_FALSE(records.find_step("xyz").value());
    CHECK_FALSE(records.find_step(hex + "0").value());
    CHECK(records.steps().value().size() == 3);
    CHECK(records.steps().value()[0].scopes.size() == 1);
}

TEST_SUITE_END();
