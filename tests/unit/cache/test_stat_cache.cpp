// SPDX-License-Identifier: Apache-2.0
// Stat caches through the contexts that use them: files that changed are always noticed, however they changed, and
// files that did not are read once.
#include "cache/context/stat_cache.hpp"

#include "cache/context/context_tree.hpp"
#include "support/files.hpp"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <filesystem>
#include <sched.h>
#include <string>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

using namespace dbuild;
using namespace dbuild::cache::context;
namespace fs = std::filesystem;

namespace {

struct stat status_of(const fs::path& path) {
    struct stat status {};
    REQUIRE(::lstat(path.c_str(), &status) == 0);
    return status;
}

struct Run {
    Digest digest;
    std::uint64_t files_hashed = 0;
};

class Fixture {
public:
    Fixture() : folder_(TempDir::create("dbuild-stat").value()) {
        fs::create_directory(context());
        fs::create_directory(stats());
    }
    fs::path context() const { return folder_.path() / "context"; }
    fs::path stats() const { return folder_.path() / "stats"; }
    fs::path path(const std::string& name) const { return context() / name; }

    void put(const std::string& name, std::string_view bytes) const {
        fs::create_directories(path(name).parent_path());
        REQUIRE(write_file(path(name), bytes));
    }
    /// Writes other bytes of the same length, and gives the file its old time again.
    void overwrite_unseen(const std::string& name, std::string_view bytes) const {
        const auto before = status_of(path(name));
        const Fd fd(::open(path(name).c_str(), O_WRONLY | O_CLOEXEC));
        REQUIRE(::pwrite(fd.get(), bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
        const timespec times[] = {before.st_atim, before.st_mtim};
        REQUIRE(::futimens(fd.get(), times) == 0);
        REQUIRE(status_of(path(name)).st_size == before.st_size);
        REQUIRE(status_of(path(name)).st_mtim.tv_nsec == before.st_mtim.tv_nsec);
    }
    /// Waits until the file system's clock, a few ms coarse, has left the moment of the last write.
    void settle() const {
        const Fd fd(::open(context().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        const auto cache = StatCache::open(stats(), fd.get());
        for (const auto start = cache.clock(); cache.clock() <= start + 1'000'000;) {
        }
    }
    /// What a build does: everything is hashed as far as needed, and remembered.
    Run run() const { return run_in(context()); }
    Run run_in(const fs::path& context) const {
        auto tree = ContextTree::open(context, nullptr, nullptr, stats()).value();
        Run run{tree.source_digest(".").value(), tree.counters().files_hashed};
        REQUIRE(tree.save_stat_cache());
        return run;
    }
    Digest digest_without_cache() const {
        return ContextTree::open(context(), nullptr, nullptr).value().source_digest(".").value();
    }

private:
    TempDir folder_;
};

bool is_trusted(const fs::path& folder) {
    const Fd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return StatCache::open({}, fd.get()).is_trusted();
}

/// On other file systems nothing is remembered, so most cases would check nothing: skipped, not passed.
bool is_temp_trusted() { return is_trusted(fs::temp_directory_path()); }

FileIdentity changed_at(const StatCache& cache, const Fixture& fixture, std::uint64_t nanoseconds) {
    fixture.put("a", "1");
    auto identity = FileIdentity::of(status_of(fixture.path("a")));
    identity.changed_ns = nanoseconds;
    CHECK(cache.is_trusted());
    return identity;
}

} // namespace

TEST_SUITE_BEGIN("cache/stat_cache");

TEST_CASE("what did not change is read by the first run only" * doctest::skip(!is_temp_trusted())) {
    const Fixture fixture;
    fixture.put("a", "1");
    fixture.put("deep/b", "2");
    fixture.settle();
    const auto first = fixture.run();
    CHECK(first.files_hashed == 2);
    const auto second = fixture.run();
    CHECK(second.files_hashed == 0);
    CHECK(second.digest == first.digest);
    fixture.put("deep/b", "3");
    fixture.settle();
    const auto third = fixture.run();
    CHECK(third.files_hashed == 1);
    CHECK(third.digest == fixture.digest_without_cache());
    CHECK(fixture.run().files_hashed == 0);
}

TEST_CASE("other bytes of the same size and time are noticed" * doctest::skip(!is_temp_trusted())) {
    const Fixture fixture;
    fixture.put("a", "old");
    fixture.settle();
    const auto first = fixture.run();
    fixture.overwrite_unseen("a", "new");
    const auto second = fixture.run();
    CHECK(second.files_hashed == 1);
    CHECK(second.digest != first.digest);
}

TEST_CASE("another file of the same size and time in the place of one is noticed" * doctest::skip(!is_temp_trusted())) {
    const Fixture fixture;
    fixture.put("a", "old");
    fixture.put("other", "new");
    fixture.settle();
    fixture.run();
    fs::last_write_time(fixture.path("other"), fs::last_write_time(fixture.path("a")));
    fs::rename(fixture.path("other"), fixture.path("a"));
    CHECK(fixture.run().digest == fixture.digest_without_cache());
}

TEST_CASE("a write within the tick of the hashing is noticed" * doctest::skip(!is_temp_trusted())) {
    const Fixture fixture;
    fixture.put("a", "0000");
    for (int i = 1000; i < 1300; ++i) { // write, hash, write, hash: many of them within one tick
        fixture.overwrite_unseen("a", std::to_string(i));
        CHECK(fixture.run().digest == fixture.digest_without_cache());
    }
}

TEST_CASE("only a file that is older than the clock's present tick is proven" * doctest::skip(!is_temp_trusted())) {
    const Fixture fixture;
    const Fd fd(::open(fixture.context().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const auto cache = StatCache::open(fixture.stats(), fd.get());
    const std::uint64_t second = 1'000'000'000, clock = 1000 * second;
    const auto at = [&](std::uint64_t time) { return changed_at(cache, fixture, time); };
    CHECK(cache.is_proven(at(clock - 1), Writers::none, clock));
    CHECK_FALSE(cache.is_proven(at(clock), Writers::none, clock));
    CHECK_FALSE(cache.is_proven(at(clock + second), Writers::none, clock)); // from the future
    CHECK_FALSE(cache.is_proven(at(clock - 500 * second), Writers::possible, clock));
    CHECK_FALSE(cache.is_proven(at(clock - 59 * second), Writers::unknown, clock));
    CHECK(cache.is_proven(at(clock - 60 * second), Writers::unknown, clock));
    auto elsewhere = at(1);
    ++elsewhere.device;
    CHECK_FALSE(cache.is_proven(elsewhere, Writers::none, clock));
}

TEST_CASE("stores through a mapping that was dirty when the file was hashed are noticed" *
          doctest::skip(!is_temp_trusted())) {
    const Fixture fixture;
    fixture.put("a", "1");
    Fd fd(::open(fixture.path("a").c_str(), O_RDWR | O_CLOEXEC));
    auto* bytes = static_cast<char*>(::mmap(nullptr, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0));
    REQUIRE(bytes != MAP_FAILED);
    fd.reset();
    *bytes = '2';
    fixture.settle();
    fixture.run();
    const auto before = status_of(fixture.path("a"));
    *bytes = '3';
    CHECK(status_of(fixture.path("a")).st_ctim.tv_nsec == before.st_ctim.tv_nsec); // why the rule is needed
    CHECK(fixture.run().digest == fixture.digest_without_cache());
    ::munmap(bytes, 1);
}

TEST_CASE("stores through a mapping that was made after the hashing are noticed" * doctest::skip(!is_temp_trusted())) {
    const Fixture fixture;
    fixture.put("a", "1");
    fixture.settle();
    fixture.run();
    Fd fd(::open(fixture.path("a").c_str(), O_RDWR | O_CLOEXEC));
    void* mapping = ::mmap(nullptr, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
    REQUIRE(mapping != MAP_FAILED);
    auto* bytes = static_cast<volatile char*>(mapping);
    CHECK(*bytes == '1'); // the page is there before the first store
    *bytes = '2';
    CHECK(fixture.run().digest == fixture.digest_without_cache());
    ::munmap(mapping, 1);
}

TEST_CASE("a file that is open for writing is read each time" * doctest::skip(!is_temp_trusted())) {
    const Fixture fixture;
    fixture.put("a", "1");
    const Fd fd(::open(fixture.path("a").c_str(), O_WRONLY | O_CLOEXEC));
    fixture.settle();
    fixture.run();
    CHECK(fixture.run().files_hashed == 1);
}

TEST_CASE("a context that was moved keeps its cache, a copy has its own" * doctest::skip(!is_temp_trusted())) {
    const Fixture fixture;
    fixture.put("a", "1");
    fixture.put("b", "2");
    fixture.settle();
    const auto id = fixture.run().digest;
    const auto moved = fixture.context().parent_path() / "moved", copied = fixture.context().parent_path() / "copied";
    fs::rename(fixture.context(), moved);
    CHECK(fixture.run_in(moved).files_hashed == 0);
    fs::copy(moved, copied, fs::copy_options::recursive);
    fs::last_write_time(copied / "a", fs::last_write_time(moved / "a"));
    CHECK(fixture.run_in(copied).files_hashed == 2);
    CHECK(fixture.run_in(copied).digest == id);
    fixture.put("a", "3"); // another context where the first one was
    CHECK(fixture.run().digest == fixture.digest_without_cache());
}

TEST_CASE("a damaged cache is as good as none" * doctest::skip(!is_temp_trusted())) {
    const Fixture fixture;
    fixture.put("a", "1");
    fixture.put("b", "2");
    fixture.settle();
    const auto id = fixture.run().digest;
    const auto file = fs::directory_iterator(fixture.stats())->path();
    const auto good = read_file(file).value();
    const auto check = [&](const std::string& bytes) {
        REQUIRE(write_file(file, bytes));
        const auto run = fixture.run();
        CHECK(run.digest == id);
        CHECK(run.files_hashed == 2);
    };
    for (std::size_t at = 0; at < good.size(); at += 7) {
        auto bytes = good;
        bytes[at] = static_cast<char>(bytes[at] ^ 4);
        check(bytes);
    }
    for (const auto size : {std::size_t{0}, std::size_t{1}, std::size_t{20}, good.size() / 2, good.size() - 1})
        check(good.substr(0, size));
    check(good + "x");
    REQUIRE(write_file(file, good));
    CHECK(fixture.run().files_hashed == 0);
}

TEST_CASE("processes that save at the same time leave a good cache" * doctest::skip(!is_temp_trusted())) {
    const Fixture fixture;
    for (int i = 0; i < 50; ++i) fixture.put("f" + std::to_string(i), std::to_string(i));
    fixture.settle();
    std::vector<pid_t> processes;
    for (int i = 0; i < 4; ++i) {
        const auto process = ::fork();
        REQUIRE(process >= 0);
        if (process > 0) {
            processes.push_back(process);
            continue;
        }
        bool is_good = true;
        for (int round = 0; round < 20 && is_good; ++round) {
            fs::remove_all(
                fixture.path("own" + std::to_string(i))); // something new to save, of which the others may see none
            fixture.put("own" + std::to_string(i), std::to_string(round));
            auto tree = ContextTree::open(fixture.context(), nullptr, nullptr, fixture.stats()).value();
            const auto mine = tree.source_digest("own" + std::to_string(i));
            const auto file = tree.files_of("f" + std::to_string(round));
            is_good = mine && file && file->front().second == sha256(std::to_string(round)) && tree.save_stat_cache();
        }
        ::_exit(is_good ? 0 : 1);
    }
    for (const auto process : processes) {
        int status = 1;
        REQUIRE(::waitpid(process, &status, 0) == process);
        CHECK(status == 0);
    }
    fixture.settle();
    const auto run = fixture.run();
    CHECK(run.digest == fixture.digest_without_cache());
    CHECK(fixture.run().files_hashed == 0);
}

TEST_CASE("modes and extended attributes count though the bytes are not read again" *
          doctest::skip(!is_temp_trusted())) {
    const Fixture fixture;
    fixture.put("a", "1");
    fixture.settle();
    const auto plain = fixture.run().digest;
    REQUIRE(::setxattr(fixture.path("a").c_str(), "user.colour", "red", 3, 0) == 0);
    fixture.settle();
    const auto red = fixture.run();
    CHECK(red.digest != plain);
    const auto again = fixture.run();
    CHECK(again.files_hashed == 0);
    CHECK(again.digest == red.digest);
    REQUIRE(::chmod(fixture.path("a").c_str(), 0755) == 0);
    CHECK(fixture.run().digest == fixture.digest_without_cache());
}

TEST_CASE("nothing is remembered of file systems whose times cannot be trusted") {
    CHECK(is_trusted_file_system(0xEF53)); // ext4
    for (const std::uint64_t type : {0x01021994, 0x6969, 0x65735546, 0x794c7630, 0x01021997, 0x4d44})
        CHECK_FALSE(is_trusted_file_system(type)); // tmpfs, NFS, FUSE, overlay, 9p, FAT
}

// By root only: elsewhere it would check nothing.
TEST_CASE("a file of another file system that is mounted in the context is read to its end, whatever size it claims" *
          doctest::skip(::geteuid() != 0 || !is_temp_trusted())) {
    const Fixture fixture;
    fixture.put("kind", "");
    const auto process = ::fork();
    REQUIRE(process >= 0);
    if (process == 0) { // with mounts of its own
        const bool is_mounted =
            ::unshare(CLONE_NEWNS) == 0 && ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
            ::mount("/proc/sys/kernel/ostype", fixture.path("kind").c_str(), nullptr, MS_BIND, nullptr) == 0;
        auto tree = ContextTree::open(fixture.context(), nullptr, nullptr, fixture.stats()).value();
        const auto files = tree.files_of("kind");
        ::_exit(!is_mounted ? 2 : files && files->front().second == sha256("Linux\n") ? 0 : 1);
    }
    int status = -1;
    REQUIRE(::waitpid(process, &status, 0) == process);
    CHECK(status == 0);
}

TEST_CASE("a context on tmpfs is read each time" * doctest::skip(!fs::exists("/dev/shm") || is_trusted("/dev/shm"))) {
    const Fixture fixture;
    const auto context = fs::path("/dev/shm") / fixture.context().parent_path().filename();
    fs::create_directory(context);
    REQUIRE(write_file(context / "a", "1"));
    CHECK(fixture.run_in(context).files_hashed == 1);
    CHECK(fixture.run_in(context).files_hashed == 1);
    fs::remove_all(context);
}

TEST_SUITE_END();
