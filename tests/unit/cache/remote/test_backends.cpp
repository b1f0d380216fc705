// SPDX-License-Identifier: Apache-2.0
// Every backend under the contract, and what the directory promises besides.
#include "backend_contract.hpp"
#include "cache/remote/directory_backend.hpp"
#include "cache/remote/wrappers.hpp"
#include "memory_backend.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

using namespace dbuild;
using namespace dbuild::cache::remote;
using namespace dbuild::cache::remote::test;
namespace fs = std::filesystem;

namespace {

std::uint64_t bytes_below(const fs::path& folder) {
    std::uint64_t bytes = 0;
    for (const auto& item : fs::recursive_directory_iterator(folder))
        if (item.is_regular_file()) bytes += item.file_size();
    return bytes;
}

} // namespace

TEST_SUITE("cache/remote/backends") {
    TEST_CASE("the one in memory, which tests use, keeps the contract") {
        MemoryService service;
        check_contract([&] { return std::make_unique<MemoryBackend>(service); });
    }
    TEST_CASE("a directory keeps the contract") {
        const auto folder = TempDir::create("dbuild-test-remote").value();
        check_contract([&] { return make_directory_backend({.path = folder.path() / "not" / "there"}); });
    }
    TEST_CASE("wrappers keep the contract") {
        MemoryService service;
        TrafficCounters counters;
        check_contract([&] {
            auto backend =
                make_counting(make_redacting(std::make_unique<MemoryBackend>(service), {"secret"}), counters);
            backend = make_budgeted(std::move(backend), 1'000'000);
            return make_limited(make_breaking(make_retrying(std::move(backend), {}), 3), 2);
        });
    }
}

TEST_SUITE("cache/remote/directory_backend") {
    TEST_CASE("a thousand builds stay below the limit, and the newest pack is always there") {
        constexpr std::uint64_t k_limit = 200'000;
        const auto folder = TempDir::create("dbuild-test-remote").value();
        const auto backend = make_directory_backend({.path = folder.path(), .max_bytes = k_limit});
        std::string version;
        for (std::uint64_t build = 0; build < 1000; ++build) {
            const PackOnDisk pack(cache::test::made_up_bytes(build, 5'000 + build % 7 * 3'000));
            REQUIRE(backend->put_pack(pack.name, pack.path));
            const auto next =
                backend->replace_index("scope", cache::test::made_up_bytes(build, 2'000), version).value();
            REQUIRE(next);
            version = *next;
            REQUIRE(bytes_below(folder.path()) <= k_limit);
            REQUIRE(backend->find_packs({{pack.name}}).value().size() == 1);
        }
        CHECK(bytes_below(folder.path()) > k_limit / 2);
    }
    TEST_CASE("what was used least recently goes first, and use is what find_packs asks for") {
        const auto folder = TempDir::create("dbuild-test-remote").value();
        const auto backend = make_directory_backend({.path = folder.path(), .max_bytes = 2'500});
        const PackOnDisk first(cache::test::made_up_bytes(1, 1000)), second(cache::test::made_up_bytes(2, 1000)),
            third(cache::test::made_up_bytes(3, 1000));
        const auto age = [&](const Digest& name, std::int64_t seconds) {
            const auto path = folder.path() / "packs" / name.hex().substr(0, 2) / (name.hex() + ".dbp");
            const timespec times[] = {{seconds, 0}, {seconds, 0}};
            REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
        };
        REQUIRE(backend->put_pack(first.name, first.path));
        REQUIRE(backend->put_pack(second.name, second.path));
        age(first.name, 1000);
        age(second.name, 2000);
        REQUIRE(backend->find_packs({{first.name}}));
        REQUIRE(backend->put_pack(third.name, third.path));
        CHECK(backend->find_packs(std::vector{first.name, second.name, third.name}).value() ==
              std::vector{first.name, third.name});
    }
    TEST_CASE("a file above the limit is refused and costs nothing that is there") {
        const auto folder = TempDir::create("dbuild-test-remote").value();
        const auto backend = make_directory_backend({.path = folder.path(), .max_bytes = 2'000});
        const PackOnDisk small(cache::test::made_up_bytes(1, 1000)), large(cache::test::made_up_bytes(2, 3000));
        REQUIRE(backend->put_pack(small.name, small.path));
        const auto done = backend->put_pack(large.name, large.path);
        REQUIRE(!done);
        CHECK(done.error().kind == ErrorKind::no_space);
        CHECK(backend->find_packs({{small.name}}).value().size() == 1);
    }
    TEST_CASE("a cancelled write leaves nothing behind") {
        const auto folder = TempDir::create("dbuild-test-remote").value();
        const auto backend = make_directory_backend({.path = folder.path(), .is_cancelled = [] { return true; }});
        const PackOnDisk pack(cache::test::made_up_bytes(1, 1000));
        const auto done = backend->put_pack(pack.name, pack.path);
        REQUIRE(!done);
        CHECK(done.error().kind == ErrorKind::interrupted);
        CHECK(bytes_below(folder.path()) == 0);
    }
    TEST_CASE("a writer that slept takes no number that others have left behind") {
        const auto folder = TempDir::create("dbuild-test-remote").value();
        const auto backend = make_directory_backend({.path = folder.path()});
        std::string version;
        for (int i = 0; i < 5; ++i)
            version = backend->replace_index("scope", std::to_string(i), version).value().value();
        CHECK(!backend->replace_index("scope", "late", "2").value());
        CHECK(backend->read_index("scope", "").value()->bytes == "4");
        std::size_t files = 0;
        for (const auto& item : fs::recursive_directory_iterator(folder.path()))
            files += item.is_regular_file() && item.file_size() > 0;
        CHECK(files == 2); // it, and the one before for whoever is reading; the others are only taken numbers
    }
    TEST_CASE("under sudo everything belongs to whoever called it") {
        if (::geteuid() != 0) return; // only root can give files away
        REQUIRE(::setenv("SUDO_UID", "1234", 1) == 0);
        REQUIRE(::setenv("SUDO_GID", "1235", 1) == 0);
        const auto folder = TempDir::create("dbuild-test-remote").value();
        const auto backend = make_directory_backend({.path = folder.path() / "a" / "b"});
        const PackOnDisk pack("bytes");
        REQUIRE(backend->put_pack(pack.name, pack.path));
        REQUIRE(backend->replace_index("scope", "index", "").value());
        ::unsetenv("SUDO_UID");
        ::unsetenv("SUDO_GID");
        int seen = 0;
        for (const auto& item : fs::recursive_directory_iterator(folder.path())) {
            struct stat status {};
            REQUIRE(::stat(item.path().c_str(), &status) == 0);
            CHECK_MESSAGE(status.st_uid == 1234, item.path());
            CHECK(status.st_gid == 1235);
            ++seen;
        }
        CHECK(seen > 5);
    }
}

TEST_SUITE("cache/remote/wrappers") {
    TEST_CASE("what may pass is tried again after growing pauses, anything else is not") {
        MemoryService service;
        std::vector<std::chrono::milliseconds> pauses;
        RetryPolicy policy{.attempts = 4, .first_pause = std::chrono::milliseconds(100), .sleep = [&](auto pause) {
                               pauses.push_back(pause);
                           }};
        const auto backend = make_retrying(std::make_unique<MemoryBackend>(service), policy);
        service.failures = {ErrorKind::transient, ErrorKind::transient};
        CHECK(backend->list_scopes());
        CHECK(service.requests == 3);
        REQUIRE(pauses.size() == 2);
        CHECK(pauses[0] <= std::chrono::milliseconds(100));
        CHECK(pauses[1] <= std::chrono::milliseconds(200));
        service.failures = {ErrorKind::unauthorized};
        CHECK(!backend->list_scopes());
        CHECK(service.requests == 4);
        service.failures.assign(10, ErrorKind::transient);
        CHECK(!backend->list_scopes());
        CHECK(service.requests == 8);
    }
    TEST_CASE("a remote that fails on and on is left alone, one that fails at times is not") {
        MemoryService service;
        const auto backend = make_breaking(std::make_unique<MemoryBackend>(service), 3);
        service.failures = {ErrorKind::unavailable, ErrorKind::unavailable};
        CHECK(!backend->list_scopes());
        CHECK(!backend->list_scopes());
        CHECK(backend->list_scopes());
        service.failures.assign(3, ErrorKind::unavailable);
        for (int i = 0; i < 5; ++i) CHECK(!backend->list_scopes());
        CHECK(service.requests == 6);
    }
    TEST_CASE("a full remote is no broken one") {
        MemoryService service;
        const auto backend = make_breaking(std::make_unique<MemoryBackend>(service), 1);
        service.failures.assign(3, ErrorKind::no_space);
        for (int i = 0; i < 3; ++i) CHECK(!backend->list_scopes());
        CHECK(backend->list_scopes());
    }
    TEST_CASE("a budget that is used up ends all requests, tried again or not") {
        MemoryService service;
        const auto backend =
            make_retrying(make_budgeted(std::make_unique<MemoryBackend>(service), 3), {.sleep = [](auto) {}});
        service.failures = {ErrorKind::transient};
        CHECK(backend->list_scopes());
        CHECK(backend->list_scopes());
        const auto refused = backend->list_scopes();
        REQUIRE(!refused);
        CHECK(refused.error().kind == ErrorKind::unavailable);
        CHECK(service.requests == 3);
    }
    TEST_CASE("no more calls than the limit are in the remote at once, and all come through") {
        struct Slow final : Backend {
            std::atomic<int>& now;
            std::atomic<int>& most;
            Slow(std::atomic<int>& running, std::atomic<int>& highest) : now(running), most(highest) {}
            Result<std::vector<ScopeEntry>> list_scopes() override {
                const int running = ++now;
                for (int seen = most; seen < running && !most.compare_exchange_weak(seen, running);) {
                }
                std::this_thread::sleep_for(std::chrono::milliseconds(2));
                --now;
                return std::vector<ScopeEntry>();
            }
            Result<std::optional<std::string>> read_pack(const Digest&, std::uint64_t, std::uint64_t) override {
                return std::nullopt;
            }
            Result<std::vector<Digest>> find_packs(std::span<const Digest>) override { return std::vector<Digest>(); }
            Status put_pack(const Digest&, const fs::path&) override { return {}; }
            Result<std::optional<IndexFile>> read_index(std::string_view, std::string_view) override {
                return std::nullopt;
            }
            Result<std::optional<std::string>> replace_index(std::string_view, std::string_view,
                                                             std::string_view) override {
                return std::nullopt;
            }
        };
        std::atomic<int> now = 0, most = 0, done = 0;
        const auto backend = make_limited(std::make_unique<Slow>(now, most), 3);
        {
            std::vector<std::jthread> callers;
            for (int i = 0; i < 12; ++i)
                callers.emplace_back([&] {
                    for (int call = 0; call < 5; ++call) done += backend->list_scopes().has_value();
                });
        }
        CHECK(done == 60);
        CHECK(most <= 3);
        CHECK(most > 1);
    }
    TEST_CASE("errors name no secret and no user of a URL") {
        struct Failing final : Backend {
            tl::unexpected<Error> refusal() const {
                return fail(Error{ErrorKind::unavailable,
                                  "PUT https://me:pass@host/a?sig=S3CRET: refused, S3CRET is old; see http://host/x@y",
                                  {"token S3CRET"},
                                  {}});
            }
            Result<std::vector<ScopeEntry>> list_scopes() override { return refusal(); }
            Result<std::optional<std::string>> read_pack(const Digest&, std::uint64_t, std::uint64_t) override {
                return refusal();
            }
            Result<std::vector<Digest>> find_packs(std::span<const Digest>) override { return refusal(); }
            Status put_pack(const Digest&, const fs::path&) override { return refusal(); }
            Result<std::optional<IndexFile>> read_index(std::string_view, std::string_view) override {
                return refusal();
            }
            Result<std::optional<std::string>> replace_index(std::string_view, std::string_view,
                                                             std::string_view) override {
                return refusal();
            }
        };
        const auto backend = make_redacting(std::make_unique<Failing>(), {"S3CRET", ""});
        const auto failed = backend->read_index("s", "");
        REQUIRE(!failed);
        CHECK(failed.error().message == "PUT https://***@host/a?sig=***: refused, *** is old; see http://host/x@y");
        CHECK(failed.error().context == std::vector<std::string>{"token ***"});
        CHECK(failed.error().kind == ErrorKind::unavailable);
    }
    TEST_CASE("every attempt counts, and every byte") {
        MemoryService service;
        TrafficCounters counters;
        const auto backend =
            make_retrying(make_counting(std::make_unique<MemoryBackend>(service), counters), {.sleep = [](auto) {}});
        const PackOnDisk pack("1234567890");
        service.failures = {ErrorKind::transient};
        REQUIRE(backend->put_pack(pack.name, pack.path));
        REQUIRE(backend->read_pack(pack.name, 2, 3));
        REQUIRE(backend->replace_index("s", "12345", "").value());
        CHECK(counters.requests == 4);
        CHECK(counters.bytes_written == 15);
        CHECK(counters.bytes_read == 3);
    }
}
