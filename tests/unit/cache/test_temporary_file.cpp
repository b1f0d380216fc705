// SPDX-License-Identifier: Apache-2.0
#include "cache/store/temporary_file.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>

namespace fs = std::filesystem;
using namespace dbuild;
using namespace dbuild::cache::store;

namespace {

constexpr int k_rounds = 2000; // of which some hundred met the moment between a name and its lock

/// What whoever opens the store does, again and again meanwhile. A thread is as good as a process: each opens the files
/// anew, and it is the open file that holds a lock.
class TidyingUp {
public:
    explicit TidyingUp(fs::path folder)
        : thread_([this, folder = std::move(folder)] {
              while (!has_ended_) CHECK(remove_abandoned(folder));
          }) {}
    ~TidyingUp() {
        has_ended_ = true;
        thread_.join();
    }
    TidyingUp(const TidyingUp&) = delete;
    TidyingUp& operator=(const TidyingUp&) = delete;

private:
    std::atomic<bool> has_ended_ = false;
    std::thread thread_;
};

/// Who tidies up may look at the name that the file had before, and hold its lock for a moment.
Result<TemporaryFile> link_at_last(const fs::path& folder, const fs::path& whole) {
    for (int i = 0; i < k_rounds; ++i)
        if (auto file = TemporaryFile::link(folder, whole)) return file;
    return TemporaryFile::link(folder, whole);
}

} // namespace

TEST_SUITE_BEGIN("cache/temporary_file");

TEST_CASE("a file is never taken for a dead process's while its writer lives") {
    const auto folder = TempDir::create("dbuild-test-").value();
    const auto final_path = folder.path() / "final";
    const TidyingUp tidying(folder.path());
    for (int round = 0; round < k_rounds; ++round) {
        auto file = TemporaryFile::create(folder.path());
        REQUIRE(file);
        REQUIRE(file->write("bytes"));
        REQUIRE(file->publish(final_path));
    }
}

TEST_CASE("nor is a second name of a file") {
    const auto folder = TempDir::create("dbuild-test-").value();
    const auto elsewhere = TempDir::create("dbuild-test-").value();
    const auto whole = elsewhere.path() / "whole";
    REQUIRE(write_file(whole, "bytes"));
    const TidyingUp tidying(folder.path());
    for (int round = 0; round < k_rounds; ++round) {
        auto file = link_at_last(folder.path(), whole);
        REQUIRE(file);
        REQUIRE(file->publish(folder.path() / ("final" + std::to_string(round))));
    }
    CHECK(fs::hard_link_count(whole) == 1 + k_rounds);
}

TEST_CASE("what a dead process left is removed") {
    const auto folder = TempDir::create("dbuild-test-").value();
    REQUIRE(write_file(folder.path() / "tmp-abcdef", "half a lay"));
    REQUIRE(write_file(folder.path() / "another", "of nobody's business"));
    REQUIRE(remove_abandoned(folder.path()));
    CHECK(list_folder(folder.path()).value() == std::vector{folder.path() / "another"});
}

TEST_SUITE_END();
