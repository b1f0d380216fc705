// SPDX-License-Identifier: Apache-2.0
// Folders of cache mounts: which RUN gets which, and who waits for whom.
#include "executors/runtime/cache_mounts.hpp"

#include "support/files.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <set>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace fs = std::filesystem;
using namespace dbuild;
using namespace dbuild::executors;
using namespace dbuild::executors::runtime;
using Sharing = CommandMount::Sharing;

namespace {

const bool is_user = ::geteuid() != 0; // who cannot give folders away: skipped, not passed

CommandMount cache_mount(std::string id, Sharing sharing = Sharing::shared) {
    CommandMount mount;
    mount.type = CommandMount::Type::cache;
    mount.cache_id = std::move(id);
    mount.sharing = sharing;
    return mount;
}

class Caches {
public:
    fs::path root() const { return temp_.path() / "deep/caches"; }
    Result<CacheFolder> take(const CommandMount& mount, const CancelCheck& is_cancelled = nullptr) const {
        return take_cache_folder(root(), mount, is_cancelled);
    }
    fs::path path_of(const CommandMount& mount) const { return take(mount).value().path; }

private:
    TempDir temp_ = TempDir::create("dbuild-test").value();
};

} // namespace

TEST_SUITE_BEGIN("executors/runtime/cache_mounts");

TEST_CASE("one identity has one folder, which keeps what is in it" * doctest::skip(is_user)) {
    const Caches caches;
    const auto path = caches.path_of(cache_mount("id"));
    REQUIRE(write_file(path / "kept", "bytes"));
    for (const auto sharing : {Sharing::shared, Sharing::exclusive, Sharing::own_copy})
        CHECK(caches.path_of(cache_mount("id", sharing)) == path);
    CHECK(read_file(path / "kept").value() == "bytes");
}

TEST_CASE("another identity, owner or mode has another folder" * doctest::skip(is_user)) {
    const Caches caches;
    auto uid = cache_mount("id"), gid = cache_mount("id"), mode = cache_mount("id");
    uid.uid = 1;
    gid.gid = 1;
    mode.mode = 0700;
    std::set<fs::path> paths;
    for (const auto& mount : {cache_mount("id"), cache_mount("id\n1:0 755"), cache_mount("../id"), cache_mount("/"),
                              cache_mount(""), uid, gid, mode}) {
        const auto path = caches.path_of(mount);
        CHECK(path.parent_path() == caches.root());
        paths.insert(path);
    }
    CHECK(paths.size() == 8);
}

TEST_CASE("a folder is made with its owner and mode, whatever the umask is, and not changed again" *
          doctest::skip(is_user)) {
    const Caches caches;
    auto mount = cache_mount("id");
    mount.uid = 5;
    mount.gid = 6;
    mount.mode = 01777;
    const auto umask = ::umask(077);
    const auto path = caches.path_of(mount);
    ::umask(umask);
    struct stat found {};
    REQUIRE(::lstat(path.c_str(), &found) == 0);
    CHECK((found.st_mode & 07777) == 01777);
    CHECK(found.st_uid == 5);
    CHECK(found.st_gid == 6);
    REQUIRE(::chmod(path.c_str(), 0711) == 0); // as a RUN may
    CHECK(caches.path_of(mount) == path);
    REQUIRE(::lstat(path.c_str(), &found) == 0);
    CHECK((found.st_mode & 07777) == 0711);
}

TEST_CASE("several RUNs share a folder at once" * doctest::skip(is_user)) {
    const Caches caches;
    const auto first = caches.take(cache_mount("id")), second = caches.take(cache_mount("id"));
    REQUIRE(first);
    REQUIRE(second);
    CHECK(first->path == second->path);
}

TEST_CASE("who wants a folder alone waits, and so does who comes then" * doctest::skip(is_user)) {
    for (const auto& [first, second] :
         {std::pair(Sharing::exclusive, Sharing::exclusive), std::pair(Sharing::shared, Sharing::exclusive),
          std::pair(Sharing::exclusive, Sharing::shared)}) {
        const Caches caches;
        std::optional<CacheFolder> held = caches.take(cache_mount("id", first)).value();
        int asked = 0;
        const auto cancelled = caches.take(cache_mount("id", second), [&] { return ++asked == 2; });
        REQUIRE(!cancelled);
        CHECK(cancelled.error().kind == ErrorKind::interrupted);
        CHECK(asked == 2);
        CHECK(caches.take(cache_mount("other", second), [] { return true; })); // nobody has that
        const auto path = held->path;
        const auto taken = caches.take(cache_mount("id", second), [&] { return held.reset(), false; });
        REQUIRE(taken);
        CHECK(taken->path == path);
    }
}

TEST_CASE("who wants a copy of his own gets one that is free" * doctest::skip(is_user)) {
    const Caches caches;
    const auto own = cache_mount("id", Sharing::own_copy);
    std::optional<CacheFolder> first = caches.take(own).value();
    const auto second = caches.take(own).value();
    const auto first_path = first->path;
    CHECK(second.path != first_path);
    CHECK(caches.path_of(own) != first_path);
    CHECK(caches.path_of(own) != second.path);
    first.reset();
    CHECK(caches.path_of(own) == first_path);
}

TEST_CASE("a folder is emptied unless somebody has it; it stays, with its owner and mode" * doctest::skip(is_user)) {
    const Caches caches;
    auto mount = cache_mount("id");
    mount.mode = 0700;
    std::optional<CacheFolder> held = caches.take(mount).value();
    const auto path = held->path;
    fs::create_directories(path / "a/b");
    fs::create_directory_symlink("/etc", path / "a/link");
    CHECK(empty_cache_folder(caches.root(), mount));
    CHECK(fs::exists(path / "a/b"));
    held.reset();
    CHECK(empty_cache_folder(caches.root(), mount));
    CHECK(fs::is_empty(path));
    CHECK(fs::status(path).permissions() == fs::perms(0700));
    CHECK(fs::exists("/etc/passwd"));
    CHECK(empty_cache_folder(caches.root(), cache_mount("never used")));
}

TEST_CASE("what nobody took for long goes, and the least recently used until the rest is small enough" *
          doctest::skip(is_user)) {
    const Caches caches;
    CHECK(prune_cache_folders(caches.root(), {0, std::chrono::seconds(0)}, false).value() == 0); // nothing there
    CHECK(cache_folder_bytes(caches.root()).value() == 0);
    std::vector<fs::path> paths;
    for (const int days : {3, 1, 2, 0}) {
        const auto path = caches.path_of(cache_mount(std::to_string(days)));
        fs::create_directory(path / "below");
        REQUIRE(write_file(path / "below/file", std::string(100'000, 'x')));
        fs::create_hard_link(path / "below/file", path / "again");
        fs::last_write_time(path.string() + ".lock",
                            fs::file_time_type::clock::now() - std::chrono::hours(24 * days + 1));
        paths.push_back(path);
    }
    const auto bytes = cache_folder_bytes(caches.root()).value();
    CHECK(bytes >= 400'000);
    CHECK(bytes < 500'000);
    const auto left = [&] {
        std::string names;
        for (const auto& path : paths) names += fs::exists(path) ? 'y' : '-';
        return names;
    };
    const CacheFolderLimits old{std::nullopt, std::chrono::hours(24 * 3)}, large{bytes / 2, std::nullopt};
    CHECK(prune_cache_folders(caches.root(), old, true).value() == 1);
    CHECK(left() == "yyyy");
    CHECK(prune_cache_folders(caches.root(), old, false).value() == 1);
    CHECK(left() == "-yyy");
    CHECK(prune_cache_folders(caches.root(), large, true).value() == 1);
    CHECK(prune_cache_folders(caches.root(), large, false).value() == 1);
    CHECK(left() == "-y-y");
    CHECK(prune_cache_folders(caches.root(), large, false).value() == 0);
    CHECK(cache_folder_bytes(caches.root()).value() <= bytes / 2);

    std::optional<CacheFolder> held = caches.take(cache_mount("1")).value(); // is now the last one that was used
    fs::create_directories(paths[3].string() + ".gone/rest");                // of somebody who was killed
    CHECK(prune_cache_folders(caches.root(), {0, std::nullopt}, false).value() == 1);
    CHECK(left() == "-y--");
    CHECK(!fs::exists(paths[3].string() + ".gone"));
    held.reset();
    CHECK(prune_cache_folders(caches.root(), {std::nullopt, std::chrono::hours(1)}, false).value() == 0);
    CHECK(prune_cache_folders(caches.root(), {0, std::nullopt}, false).value() == 1);
    CHECK(caches.path_of(cache_mount("1")) == paths[1]);
    CHECK(fs::is_empty(paths[1]));
}

TEST_SUITE_END();
