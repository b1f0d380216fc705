// SPDX-License-Identifier: Apache-2.0
// Claims: one holder at a time, also between processes; a dead holder holds nothing.
#include "cache/store/claim.hpp"

#include <doctest/doctest.h>

#include <csignal>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace dbuild;
using namespace dbuild::cache;
using store::Claim;

TEST_SUITE_BEGIN("cache/claim");

TEST_CASE("of threads that claim the same step one at a time goes on, and all but the first know that they waited") {
    const auto root = TempDir::create("dbuild-test-").value();
    std::atomic<int> inside = 0, worst = 0, waited = 0, notices = 0;
    std::vector<std::thread> threads;
    auto first = std::make_optional(Claim::acquire(root.path(), sha256("k"), nullptr, nullptr).value());
    CHECK_FALSE(first->had_to_wait());
    for (int i = 0; i < 6; ++i)
        threads.emplace_back([&] {
            const auto claim = Claim::acquire(
                                   root.path(), sha256("k"), [&] { ++notices; }, nullptr)
                                   .value();
            worst = std::max(worst.load(), ++inside);
            waited += claim.had_to_wait();
            --inside;
        });
    while (notices < 6) std::this_thread::yield();
    first.reset();
    for (auto& thread : threads) thread.join();
    CHECK(worst == 1);
    CHECK(waited == 6);
    CHECK(std::filesystem::is_empty(root.path() / "claims"));
}

TEST_CASE("another step's claim waits for nobody") {
    const auto root = TempDir::create("dbuild-test-").value();
    const auto one = Claim::acquire(root.path(), sha256("one"), nullptr, nullptr).value();
    const auto other = Claim::acquire(root.path(), sha256("other"), nullptr, nullptr).value();
    CHECK_FALSE(other.had_to_wait());
}

TEST_CASE("what is claimed is not claimed again, and this process knows its own claims") {
    const auto root = TempDir::create("dbuild-test-").value();
    CHECK_FALSE(Claim::is_held_here(root.path(), sha256("k")));
    {
        const auto held = Claim::try_acquire(root.path(), sha256("k")).value();
        REQUIRE(held);
        CHECK_FALSE(Claim::try_acquire(root.path(), sha256("k")).value());
        CHECK(Claim::is_held_here(root.path(), sha256("k")));
    }
    CHECK_FALSE(Claim::is_held_here(root.path(), sha256("k")));
    CHECK(Claim::try_acquire(root.path(), sha256("k")).value());
}

TEST_CASE("a claim ends with its process") {
    const auto root = TempDir::create("dbuild-test-").value();
    int ready[2];
    REQUIRE(::pipe(ready) == 0);
    const auto child = ::fork();
    if (child == 0) {
        const auto claim = Claim::acquire(root.path(), sha256("k"), nullptr, nullptr);
        (void)!::write(ready[1], claim ? "y" : "n", 1);
        ::pause();
    }
    char answer = 0;
    REQUIRE(::read(ready[0], &answer, 1) == 1);
    REQUIRE(answer == 'y');
    CHECK_FALSE(Claim::is_held_here(root.path(), sha256("k")));
    const auto claim = Claim::acquire(
        root.path(), sha256("k"), [&] { ::kill(child, SIGKILL); }, nullptr);
    CHECK(claim.value().had_to_wait());
    ::waitpid(child, nullptr, 0);
    ::close(ready[0]);
    ::close(ready[1]);
}

TEST_CASE("waiting can be cancelled") {
    const auto root = TempDir::create("dbuild-test-").value();
    const auto held = Claim::acquire(root.path(), sha256("k"), nullptr, nullptr).value();
    std::atomic<bool> cancelled = false;
    const auto claim = Claim::acquire(
        root.path(), sha256("k"), [&] { cancelled = true; }, [&] { return cancelled.load(); });
    REQUIRE_FALSE(claim);
    CHECK(claim.error().kind == ErrorKind::interrupted);
}

TEST_SUITE_END();
