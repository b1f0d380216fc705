// SPDX-License-Identifier: Apache-2.0
// Files: reading, atomic appearance, and that temporary things go away.
#include "support/files.hpp"

#include <doctest/doctest.h>

#include <cerrno>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <optional>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>

namespace fs = std::filesystem;
using namespace dbuild;

TEST_SUITE_BEGIN("support/files");

TEST_CASE("a full disk has an error of its own") {
    CHECK(write_file("/dev/full", "x").error().kind == ErrorKind::no_space);
}

TEST_CASE("files are opened below a folder, no link is followed, and nothing leads out") {
    const auto outer = TempDir::create("dbuild-test-").value();
    const auto root = outer.path() / "root";
    fs::create_directories(root / "d");
    REQUIRE(write_file(root / "d/f", "bytes"));
    REQUIRE(write_file(outer.path() / "outside", ""));
    fs::create_symlink("d", root / "inside");
    fs::create_symlink("f", root / "d/inside");
    const Fd folder(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    for (const auto open : {open_below, open_below_where_possible}) {
        CHECK(open(folder.get(), "d/f", O_RDONLY).is_open());
        CHECK(open(folder.get(), "", O_RDONLY | O_DIRECTORY).is_open());
        for (const auto* path : {"inside/f", "d/inside", "../outside", "/etc/passwd", "d/../../outside"})
            CHECK_MESSAGE(!open(folder.get(), path, O_RDONLY).is_open(), path);
        CHECK(!open(folder.get(), "d/g", O_RDONLY).is_open());
        CHECK(errno == ENOENT);
    }
}

TEST_CASE("a file comes back as it was written, a missing one is not found, a folder is unavailable") {
    const auto folder = TempDir::create("dbuild-test-").value();
    const std::string bytes("a\0b\n", 4);
    REQUIRE(write_file(folder.path() / "f", bytes));
    CHECK(read_file(folder.path() / "f").value() == bytes);
    CHECK(read_file(folder.path() / "none").error().kind == ErrorKind::not_found);
    CHECK(read_file(folder.path()).error().kind == ErrorKind::unavailable);
}

TEST_CASE("an atomic file appears only by commit, and replaces what was there") {
    const auto folder = TempDir::create("dbuild-test-").value();
    const auto path = folder.path() / "f";
    REQUIRE(write_file(path, "old"));
    {
        auto file = AtomicFile::create(path);
        REQUIRE(file);
        REQUIRE(file->write("ne"));
        REQUIRE(file->write("w"));
        CHECK(read_file(path).value() == "old");
        REQUIRE(file->commit());
    }
    CHECK(read_file(path).value() == "new");
    CHECK(std::distance(fs::directory_iterator(folder.path()), {}) == 1);
}

TEST_CASE("an atomic file without commit leaves nothing, also after it was moved") {
    const auto folder = TempDir::create("dbuild-test-").value();
    {
        auto file = AtomicFile::create(folder.path() / "f").value();
        auto moved = std::move(file);
        REQUIRE(moved.write("x"));
    }
    CHECK(fs::is_empty(folder.path()));
}

TEST_CASE("a temporary folder is private and goes away with all that is in it") {
    fs::path path;
    {
        const auto folder = TempDir::create("dbuild-test-").value();
        path = folder.path();
        struct stat status {};
        REQUIRE(::stat(path.c_str(), &status) == 0);
        CHECK((status.st_mode & 07777) == 0700);
        REQUIRE(make_directories(path / "a/b"));
        REQUIRE(write_file(path / "a/b/f", "x"));
    }
    CHECK_FALSE(fs::exists(path));
}

TEST_CASE("folders below a marked one are trees of their own where the file system knows such a thing") {
    const auto folder = TempDir::create("dbuild-test-").value();
    const auto marked = folder.path() / "marked", below = marked / "below";
    REQUIRE(make_directories(marked));
    for (int i = 0; i < 2; ++i) spread_folders_of(marked);
    REQUIRE(make_directories(below));
    spread_folders_of(folder.path() / "none"); // no more than a hint: nothing comes of it
    CHECK_FALSE(fs::exists(folder.path() / "none"));
    const auto is_marked = [](const fs::path& path) {
        const Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        int flags = 0;
        return ::ioctl(fd.get(), FS_IOC_GETFLAGS, &flags) == 0 && (flags & FS_TOPDIR_FL) != 0;
    };
    struct statfs file_system {};
    REQUIRE(::statfs(marked.c_str(), &file_system) == 0);
    if (file_system.f_type == EXT4_SUPER_MAGIC) CHECK(is_marked(marked)); // others may or may not know it
    CHECK_FALSE(is_marked(below));
}

TEST_CASE("a lock can be taken again after it was given up") {
    const auto folder = TempDir::create("dbuild-test-").value();
    for (int i = 0; i < 2; ++i) CHECK(FileLock::acquire(folder.path() / "lock"));
}

TEST_SUITE_END();
