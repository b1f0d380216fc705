// SPDX-License-Identifier: Apache-2.0
// Layers unpacked for overlayfs: everything that they say, as lstat and overlayfs itself see it, and nothing outside.
#include "executors/runtime/layer_folder.hpp"

#include "cache/oci/byte_source.hpp"
#include "support/files.hpp"
#include "tests/unit/executors/runtime/made_layer.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace fs = std::filesystem;
using namespace dbuild;
using namespace dbuild::cache::oci;
using namespace dbuild::executors::runtime;

namespace {

/// An empty folder that has a neighbour which must stay as it is.
class Folder {
public:
    Folder() {
        fs::create_directory(path());
        REQUIRE(write_file(outside(), "outside"));
    }
    fs::path path() const { return temp_.path() / "layer"; }
    fs::path outside() const { return temp_.path() / "outside"; }
    Result<LayerScan> unpack(const std::string& tar) const { return unpack_layer(text_source(tar), path()); }
    void check_outside() const {
        CHECK(read_file(outside()).value() == "outside");
        CHECK(fs::hard_link_count(outside()) == 1);
        CHECK(list_folder(temp_.path())->size() == 2);
    }

private:
    TempDir temp_ = TempDir::create("dbuild-test").value();
};

struct stat status_of(const fs::path& path) {
    struct stat status {};
    REQUIRE_MESSAGE(::lstat(path.c_str(), &status) == 0, path.string());
    return status;
}

std::string xattr_of(const fs::path& path, const std::string& name) {
    char value[256];
    const auto size = ::lgetxattr(path.c_str(), name.c_str(), value, sizeof value);
    return size < 0 ? "none" : std::string(value, static_cast<std::size_t>(size));
}

void check_is(const fs::path& path, const LayerEntry& entry) {
    INFO("entry " << entry.path);
    const auto status = status_of(path);
    CHECK(entry_type_of(status.st_mode) == entry.type);
    CHECK((status.st_mode & 07777) == entry.mode);
    CHECK(status.st_uid == entry.uid);
    CHECK(status.st_gid == entry.gid);
    CHECK(status.st_mtim.tv_sec == entry.mtime_seconds);
    CHECK(status.st_mtim.tv_nsec == 0);
    if (entry.type == EntryType::symlink) CHECK(fs::read_symlink(path).string() == entry.link_target);
    if (entry.type == EntryType::file) CHECK(sha256(read_file(path).value()) == entry.content);
    CHECK(status.st_rdev == makedev(entry.device_major, entry.device_minor));
    for (const auto& [name, value] : entry.xattrs) CHECK(xattr_of(path, name) == value);
}

MadeEntry owned(MadeEntry made, std::uint32_t mode, std::uint64_t uid, std::uint64_t gid, std::int64_t mtime) {
    made.entry.mode = mode;
    made.entry.uid = uid;
    made.entry.gid = gid;
    made.entry.mtime_seconds = mtime;
    return made;
}
MadeEntry device(std::string path, EntryType type, std::uint32_t major, std::uint32_t minor) {
    auto made = special(std::move(path), type);
    made.entry.device_major = major;
    made.entry.device_minor = minor;
    return made;
}

/// What an overlay of the folders shows, by name, without the root. Empty where it cannot be mounted.
std::vector<std::string> names_on_overlay(const fs::path& mount_point, const std::string& lower_folders) {
    const auto list = mount_point.string() + ".list";
    const auto process = ::fork();
    REQUIRE(process >= 0);
    if (process == 0) { // with mounts of its own
        if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
            ::mount("overlay", mount_point.c_str(), "overlay", MS_RDONLY, ("lowerdir=" + lower_folders).c_str()) != 0)
            ::_exit(1);
        std::string names;
        for (const auto& item : fs::recursive_directory_iterator(mount_point))
            names += item.path().lexically_relative(mount_point).string() + '\n';
        ::_exit(write_file(list, names) ? 0 : 1);
    }
    int status = -1;
    REQUIRE(::waitpid(process, &status, 0) == process);
    REQUIRE(status == 0);
    const auto text = read_file(list).value();
    std::vector<std::string> names;
    for (std::size_t begin = 0, end = 0; (end = text.find('\n', begin)) != text.npos; begin = end + 1)
        names.push_back(text.substr(begin, end - begin));
    std::sort(names.begin(), names.end());
    return names;
}

const bool is_user = ::geteuid() != 0; // who can neither give files away nor make devices: skipped, not passed

} // namespace

TEST_SUITE_BEGIN("executors/runtime/layer_folder");

TEST_CASE("everything that a layer says is in its folder" * doctest::skip(is_user)) {
    auto capable = owned(file("bin/ping", "program"), 0755, 0, 0, 1000000000);
    capable.entry.xattrs["security.capability"] =
        std::string("\x01\x00\x00\x02\x00\x20\x00\x00", 8) + std::string(12, '\0');
    const std::vector<MadeEntry> entries = {
        file("late/file", "its folder comes after it"),
        owned(folder("late"), 0710, 5, 6, 1234567890),
        owned(folder("bin"), 0755, 0, 0, 1),
        capable,
        owned(file("bin/su", std::string(1 << 19, 'x')), 06755, 1000, 1001, -5),
        owned(file("bin/empty"), 0, 0xfffffffe, 7, 0),
        owned(link_to("bin/link", "/nowhere/else"), 0777, 12, 13, 999),
        owned(hard_link("again", "bin/ping"), 0755, 0, 0, 1000000000),
        owned(folder("tmp"), 01777, 0, 0, 1600000000),
        owned(special("tmp/fifo", EntryType::fifo), 0622, 3, 4, 5),
        owned(device("tmp/null", EntryType::character_device, 1, 3), 0666, 0, 0, 6),
        owned(device("tmp/disk", EntryType::block_device, 259, 300), 0660, 0, 6, 7),
        owned(hard_link("tmp/null too", "tmp/null"), 0666, 0, 0, 6),
    };
    const Folder folder_of_test;
    const auto tar = tar_of(entries);
    const auto scan = folder_of_test.unpack(tar);
    REQUIRE_MESSAGE(scan, (scan ? "" : scan.error().message));
    CHECK(scan->diff_id == sha256(tar));
    REQUIRE(scan->contents.entries.size() == entries.size());
    for (const auto& made : entries)
        if (made.entry.type != EntryType::hard_link) check_is(folder_of_test.path() / made.entry.path, made.entry);
    const auto inode_of = [&](const char* path) { return status_of(folder_of_test.path() / path).st_ino; };
    CHECK(inode_of("again") == inode_of("bin/ping"));
    CHECK(inode_of("tmp/null too") == inode_of("tmp/null"));
    std::ptrdiff_t count = 0;
    for ([[maybe_unused]] const auto& item : fs::recursive_directory_iterator(folder_of_test.path())) ++count;
    CHECK(count == static_cast<std::ptrdiff_t>(entries.size()));
    const auto root = status_of(folder_of_test.path());
    CHECK((root.st_mode & 07777) == 0755);
    CHECK(root.st_uid == 0);
}

TEST_CASE("an extended attribute of another kind is kept as well" * doctest::skip(is_user)) {
    auto labelled = file("labelled", "text");
    labelled.entry.xattrs["security.capability"] = "value";
    auto tar = tar_of({labelled}); // whose writer knows that attribute only
    const std::string_view known = "security.capability", other = "user.nineteen.chars";
    REQUIRE(known.size() == other.size());
    tar.replace(tar.find(known), known.size(), other);
    const Folder folder_of_test;
    REQUIRE(folder_of_test.unpack(tar));
    CHECK(xattr_of(folder_of_test.path() / "labelled", std::string(other)) == "value");
}

TEST_CASE("the folder itself has the attributes of the root's entry" * doctest::skip(is_user)) {
    const auto root = owned(folder(""), 0711, 1, 2, 3);
    const Folder folder_of_test;
    REQUIRE(folder_of_test.unpack(tar_of({root, file("f")})));
    check_is(folder_of_test.path(), root.entry);
}

TEST_CASE("whiteouts are devices, opaque folders have an attribute" * doctest::skip(is_user)) {
    const Folder folder_of_test;
    REQUIRE(folder_of_test.unpack(
        tar_of({file(".wh.gone"), file("d/.wh..wh..opq"), file("d/e/.wh.gone"), folder("d"), folder("d/e")})));
    for (const auto* name : {"gone", "d/e/gone"}) {
        const auto status = status_of(folder_of_test.path() / name);
        CHECK(S_ISCHR(status.st_mode));
        CHECK(status.st_rdev == makedev(0, 0));
    }
    CHECK(xattr_of(folder_of_test.path() / "d", "trusted.overlay.opaque") == "y");
    CHECK(xattr_of(folder_of_test.path() / "d/e", "trusted.overlay.opaque") == "none");
    CHECK(list_folder(folder_of_test.path())->size() == 2);
}

TEST_CASE("overlayfs shows of two unpacked layers what the tables of contents say" * doctest::skip(is_user)) {
    const Folder lower, upper, merged;
    const auto below = lower.unpack(tar_of({folder("d"), folder("d/e"), file("d/e/old"), file("d/f"), folder("g"),
                                            file("g/h"), file("k"), folder("l"), file("l/m")}));
    const auto above = upper.unpack(
        tar_of({folder("d"), folder("d/e"), file("d/e/.wh..wh..opq"), file("d/e/new"), file(".wh.g"), file(".wh.k"),
                file("l", "now a file"), folder("n"), file("n/.wh..wh..opq"), file("d/.wh.f")}));
    REQUIRE(below);
    REQUIRE(above);
    FileTree tree;
    tree.apply(below->contents);
    tree.apply(above->contents);
    std::vector<std::string> names;
    for (const auto& [path, entry] : tree.entries()) names.push_back(path);
    CHECK(names == std::vector<std::string>{"d", "d/e", "d/e/new", "l", "n"});
    CHECK(names_on_overlay(merged.path(), upper.path().string() + ":" + lower.path().string()) == names);
}

TEST_CASE("a hostile layer is refused and reaches nothing outside of its folder" * doctest::skip(is_user)) {
    const auto check = [](const std::vector<MadeEntry>& entries, ErrorKind kind) {
        const Folder folder_of_test;
        INFO(entries.back().entry.path);
        const auto scan = folder_of_test.unpack(tar_of(entries));
        REQUIRE(!scan);
        CHECK_MESSAGE(scan.error().kind == kind, scan.error().message);
        folder_of_test.check_outside();
    };
    check({file("../outside", "evil")}, ErrorKind::corrupt);
    check({file("d/../../outside", "evil")}, ErrorKind::corrupt);
    check({hard_link("f", "../outside")}, ErrorKind::corrupt);
    check({hard_link("f", "outside")}, ErrorKind::unsupported);
    check({link_to("l", ".."), file("l/outside", "evil")}, ErrorKind::unsupported);
    check({link_to("l", ".."), file("l/empty")}, ErrorKind::unsupported);
    check({link_to("l", ".."), folder("l/made")}, ErrorKind::unsupported);
    check({link_to("l", ".."), hard_link("f", "l/outside")}, ErrorKind::unsupported);
    check({link_to("l", "../outside"), file("l", "evil")}, ErrorKind::unsupported);
    check({folder("l"), link_to("l", ".."), file("l/outside", "evil")}, ErrorKind::unsupported);
    check({link_to("l", ".."), file("l/.wh.outside")}, ErrorKind::unsupported);
    check({file("f", "one"), file("g", "two"), file("f", "three")}, ErrorKind::unsupported);
    check({file("f", "one"), file("f/g", "two")}, ErrorKind::unsupported);
    check({file("f/g", "one"), file("f", "two")}, ErrorKind::unsupported);
    check({file("missing/f", "text")}, ErrorKind::unsupported);
    check({file(std::string(300, 'x'), "text")}, ErrorKind::unsupported);
}

TEST_CASE("absolute names and links stand in the folder" * doctest::skip(is_user)) {
    const Folder folder_of_test;
    const auto outside = folder_of_test.outside().string();
    REQUIRE(folder_of_test.unpack(tar_of({file("/f", "text"), link_to("l", outside), hard_link("again", "/f")})));
    CHECK(read_file(folder_of_test.path() / "f").value() == "text");
    CHECK(fs::hard_link_count(folder_of_test.path() / "f") == 2);
    folder_of_test.check_outside();
    CHECK(status_of(folder_of_test.outside()).st_mtim.tv_sec != 1577934245);
}

TEST_CASE("a damaged tar is corrupt") {
    const Folder folder_of_test;
    const auto scan = folder_of_test.unpack(tar_of({file("f", std::string(5000, 'x'))}).substr(0, 2000));
    REQUIRE(!scan);
    CHECK(scan.error().kind == ErrorKind::corrupt);
}

TEST_SUITE_END();
