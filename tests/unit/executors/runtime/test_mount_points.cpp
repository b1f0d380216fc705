// SPDX-License-Identifier: Apache-2.0
// Places for mounts: made where they are missing, gone afterwards, and never outside of the root.
#include "executors/runtime/mount_points.hpp"

#include "tests/unit/executors/runtime/read_tree.hpp"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <unistd.h>

namespace fs = std::filesystem;
using namespace dbuild;
using namespace dbuild::cache::oci;
using namespace dbuild::executors::runtime;
using Kind = MountPoints::Kind;
using Stay = MountPoints::Stay;

namespace {

/// A root file system that has a neighbour which must stay as it is.
class Root {
public:
    Root() {
        fs::create_directory(path());
        fs::create_directories(outside() / "b/c");
        REQUIRE(write_file(outside() / "empty", ""));
    }
    fs::path path() const { return temp_.path() / "root"; }
    fs::path outside() const { return temp_.path() / "outside"; }
    fs::path operator/(const char* name) const { return path() / name; }
    void check_outside() const {
        CHECK(names_in(outside()) == "b b/c empty ");
        CHECK(list_folder(temp_.path())->size() == 2);
    }

    /// What is in the root now is the tree.
    MountPoints points() {
        tree_ = tree_of(path());
        fd_ = Fd(::open(path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        return MountPoints(fd_.get(), tree_);
    }

private:
    TempDir temp_ = TempDir::create("dbuild-test").value();
    FileTree tree_;
    Fd fd_;
};

void check_refused(MountPoints& points, const std::string& path, Kind kind) {
    const auto made = points.make(path, kind);
    CHECK_MESSAGE(!made, path);
    if (!made) CHECK_MESSAGE(made.error().kind == ErrorKind::unsupported, made.error().message);
}

bool is_made(MountPoints& points, const std::string& path, Kind kind, Stay stay = Stay::while_it_runs) {
    const auto made = points.make(path, kind, stay);
    REQUIRE_MESSAGE(made, path << ": " << (made ? "" : made.error().message));
    return *made;
}

timespec changed_at(const fs::path& path) {
    struct stat found {};
    REQUIRE(::lstat(path.c_str(), &found) == 0);
    return found.st_mtim;
}

} // namespace

TEST_SUITE_BEGIN("executors/runtime/mount_points");

TEST_CASE("what is missing is made, with exact modes whatever the umask is") {
    Root root;
    auto points = root.points();
    const auto umask = ::umask(077);
    CHECK(is_made(points, "/a/b/c", Kind::folder));
    CHECK(is_made(points, "a//./b/f/", Kind::file));
    CHECK(is_made(points, "/open/open", Kind::open_folder));
    ::umask(umask);
    CHECK_FALSE(is_made(points, "/a/b", Kind::open_folder)); // and stays as it is
    CHECK_FALSE(is_made(points, "/a/b/c", Kind::folder));
    CHECK_FALSE(is_made(points, "/a/b/f", Kind::file));
    CHECK_FALSE(is_made(points, "/a", Kind::folder));
    CHECK_FALSE(is_made(points, "/", Kind::folder));
    const auto owner = fmt::format("{}:{}", ::geteuid(), ::getegid());
    CHECK(describe(entry_at(root / "open/open", "o")) == fmt::format("d o 1777 {}", owner));
    for (const auto* name : {"a", "a/b", "a/b/c", "open"})
        CHECK(describe(entry_at(root / name, name)) == fmt::format("d {} 755 {}", name, owner));
    CHECK(describe(entry_at(root / "a/b/f", "f")) == fmt::format("f f 644 {} 0 ", owner));
}

TEST_CASE("links of the tree lead to places in the root") {
    Root root;
    fs::create_directories(root / "d/e");
    fs::create_symlink("/real/etc", root / "absolute");
    fs::create_symlink("../../../../up", root / "d/e/parents");
    fs::create_symlink("nothing/here", root / "d/dangling");
    fs::create_symlink(root.outside(), root / "host");
    fs::create_symlink("absolute", root / "twice");
    auto points = root.points();
    CHECK(is_made(points, "/absolute/hosts", Kind::file));
    CHECK(fs::is_regular_file(root / "real/etc/hosts"));
    CHECK_FALSE(is_made(points, "/twice/hosts", Kind::file));
    CHECK(is_made(points, "/d/e/parents/x", Kind::folder));
    CHECK(fs::is_directory(root / "up/x"));
    CHECK(is_made(points, "/d/dangling", Kind::folder));
    CHECK(fs::is_directory(root / "d/nothing/here"));
    CHECK(is_made(points, "/host/b/new", Kind::folder));
    CHECK(fs::is_directory(root.path() / root.outside().relative_path() / "b/new"));
    CHECK(is_made(points, "../../x/../y", Kind::folder));
    CHECK(fs::is_directory(root / "y"));
    root.check_outside();

    points.remove_made();
    CHECK(list_folder(root.path())->size() == 4); // as before
    CHECK(list_folder(root / "d")->size() == 2);
    for (const auto* link : {"absolute", "d/e/parents", "d/dangling", "host", "twice"})
        CHECK_MESSAGE(fs::is_symlink(root / link), link);
    root.check_outside();
}

TEST_CASE("something else in that place is refused") {
    Root root;
    fs::create_directory(root / "folder");
    REQUIRE(write_file(root / "file", "bytes"));
    fs::create_symlink("b", root / "a");
    fs::create_symlink("/a", root / "b");
    auto points = root.points();
    check_refused(points, "/folder", Kind::file);
    check_refused(points, "/file", Kind::open_folder);
    check_refused(points, "/file", Kind::folder);
    check_refused(points, "/file/below", Kind::file);
    check_refused(points, "/", Kind::file);
    check_refused(points, "/a", Kind::folder);
    check_refused(points, "/a/x", Kind::file);
    points.remove_made();
    CHECK(list_folder(root.path())->size() == 4);
    CHECK(read_file(root / "file").value() == "bytes");
}

TEST_CASE("a link that the tree does not tell of leads nowhere") {
    Root root;
    auto points = root.points();
    fs::create_symlink("../outside", root / "later");
    fs::create_directory(root / "d");
    fs::create_symlink(root.outside(), root / "d/later");
    CHECK_FALSE(points.make("/later/x", Kind::folder));
    CHECK_FALSE(points.make("/later", Kind::folder));
    CHECK_FALSE(points.make("/d/later/b/x", Kind::file));
    points.remove_made();
    CHECK(fs::is_symlink(root / "later"));
    root.check_outside();
}

TEST_CASE("only what was made and is empty goes again") {
    Root root;
    fs::create_directories(root / "old/empty");
    REQUIRE(write_file(root / "old/file", ""));
    auto points = root.points();
    CHECK_FALSE(is_made(points, "/old/empty", Kind::folder));
    CHECK_FALSE(is_made(points, "/old/file", Kind::file));
    for (const auto* path : {"/old/x/y", "/used/in", "/used/gone", "/kind"}) is_made(points, path, Kind::folder);
    for (const auto* path : {"/old/f", "/used/f", "/written"}) is_made(points, path, Kind::file);
    is_made(points, "/dev", Kind::folder, Stay::for_ever);
    is_made(points, "/dev/shm", Kind::folder);

    REQUIRE(write_file(root / "used/in/file", "")); // as the RUN does
    REQUIRE(write_file(root / "written", "bytes"));
    fs::remove(root / "used/gone");
    fs::remove(root / "kind");
    ::mkfifo((root / "kind").c_str(), 0644);

    points.remove_made();
    CHECK(names_in(root.path()) == "dev kind old old/empty old/file used used/in used/in/file written ");
}

TEST_CASE("folders that something was taken out of keep their times") {
    Root root;
    fs::create_directory(root / "d");
    auto points = root.points();
    is_made(points, "/d/f", Kind::file);
    is_made(points, "/top", Kind::folder);
    const timespec times[2] = {{1577934245, 12345678}, {1577934246, 987654321}};
    REQUIRE(::utimensat(AT_FDCWD, (root / "d").c_str(), times, 0) == 0);
    REQUIRE(::utimensat(AT_FDCWD, root.path().c_str(), times, 0) == 0);
    points.remove_made();
    CHECK(fs::is_empty(root / "d"));
    for (const auto& path : {root / "d", root.path()}) {
        CHECK(changed_at(path).tv_sec == times[1].tv_sec);
        CHECK(changed_at(path).tv_nsec == times[1].tv_nsec);
    }
}

TEST_CASE("what the RUN puts in the way leads no removal out of the root") {
    for (const auto& target : {"../outside", "/proc/self/cwd", "absolute"}) {
        Root root;
        auto points = root.points();
        is_made(points, "/a/b/c", Kind::folder);
        is_made(points, "/empty", Kind::file);
        is_made(points, "/d/empty", Kind::file);
        const auto link = std::string(target) == "absolute" ? root.outside() : fs::path(target);
        fs::remove_all(root / "a");
        fs::create_symlink(link, root / "a"); // whose b/c is empty
        fs::remove(root / "empty");
        fs::create_symlink(link / "empty", root / "empty");
        fs::remove_all(root / "d");
        fs::create_symlink(link, root / "d");
        points.remove_made();
        for (const auto* name : {"a", "empty", "d"}) CHECK_MESSAGE(fs::is_symlink(root / name), name);
        root.check_outside();
    }
}

TEST_SUITE_END();
