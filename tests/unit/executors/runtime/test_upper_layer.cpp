// SPDX-License-Identifier: Apache-2.0
// What a RUN changed, as a layer: upper folders made by system calls, and one that overlayfs itself made.
#include "executors/runtime/upper_layer.hpp"

#include "cache/oci/byte_source.hpp"
#include "executors/runtime/overlay.hpp"
#include "tests/unit/executors/runtime/read_tree.hpp"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <future>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace fs = std::filesystem;
using namespace dbuild;
using namespace dbuild::cache::oci;
using namespace dbuild::executors::runtime;

namespace {

const bool is_user = ::geteuid() != 0; // who can neither make devices nor mount: skipped, not passed
constexpr std::int64_t k_then = 1577934245, k_now = 1700000000;
const std::string k_capability("\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20); // cap_net_bind_service=ep

void set_time(const fs::path& path, std::int64_t seconds, long nanoseconds = 0) {
    const timespec times[2] = {{seconds, nanoseconds}, {seconds, nanoseconds}};
    REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0);
}
void make_file(const fs::path& path, std::string_view bytes, std::int64_t seconds = k_then) {
    REQUIRE(write_file(path, bytes));
    REQUIRE(::chmod(path.c_str(), 0644) == 0);
    set_time(path, seconds);
}
void make_folder(const fs::path& path, std::int64_t seconds = k_then) {
    REQUIRE(::mkdir(path.c_str(), 0755) == 0);
    REQUIRE(::chmod(path.c_str(), 0755) == 0);
    set_time(path, seconds);
}
void make_whiteout(const fs::path& path) { REQUIRE(::mknod(path.c_str(), S_IFCHR, 0) == 0); }
void make_opaque(const fs::path& path) { REQUIRE(::setxattr(path.c_str(), "trusted.overlay.opaque", "y", 1, 0) == 0); }

/// A folder of files and one of changes to them.
class Changes {
public:
    Changes() {
        make_folder(lower());
        make_folder(upper());
    }
    fs::path path() const { return temp_.path(); }
    fs::path lower() const { return temp_.path() / "below"; }
    fs::path upper() const { return temp_.path() / "upper"; }

    /// The layer, of which its tar, read again, says the same.
    TableOfContents write() const {
        const auto tar = temp_.path() / "layer.tar";
        fs::remove(tar);
        const auto made = write_upper_layer(upper(), tree_of(lower()), tar);
        REQUIRE_MESSAGE(made, (made ? "" : made.error().message));
        const auto scan = scan_layer(file_source(tar).value());
        REQUIRE(scan);
        CHECK(made->diff_id == scan->diff_id);
        CHECK(made->size == scan->size);
        CHECK(encode(made->contents) == encode(scan->contents)); // nobody reads it again before it is recorded
        CHECK(made->contents.entries.size() == scan->contents.entries.size());
        FileTree told, read;
        told.apply(made->contents);
        read.apply(scan->contents);
        CHECK(describe(told) == describe(read));
        return scan->contents;
    }

    /// Its entries in tar order, as describe() has them, with their times.
    std::vector<std::string> lines() const {
        std::vector<std::string> lines;
        for (const auto& entry : write().entries)
            lines.push_back(describe(entry) + (entry.is_whiteout() ? "" : fmt::format(" @{}", entry.mtime_seconds)));
        return lines;
    }

    /// The files below with the layer over them.
    std::string applied() const {
        auto tree = tree_of(lower());
        tree.apply(write());
        return describe(tree);
    }

private:
    TempDir temp_ = TempDir::create("dbuild-test").value();
};

std::string file_line(const std::string& path, std::string_view bytes, std::int64_t seconds = k_then) {
    return fmt::format("f {} 644 0:0 {} {} @{}", path, bytes.size(),
                       bytes.empty() ? "" : sha256(bytes).hex().substr(0, 8), seconds);
}
std::string folder_line(const std::string& path, std::int64_t seconds = k_then) {
    return fmt::format("d {} 755 0:0 @{}", path, seconds);
}
std::string whiteout_line(const std::string& path) { return fmt::format("f {} 0 0:0", path); }

using Lines = std::vector<std::string>;

} // namespace

TEST_SUITE_BEGIN("executors/runtime/upper_layer");

TEST_CASE("no change is the empty layer" * doctest::skip(is_user)) {
    const Changes changes;
    make_file(changes.lower() / "f", "bytes");
    CHECK(changes.lines().empty());
}

TEST_CASE("a whiteout counts only where something is below" * doctest::skip(is_user)) {
    const Changes changes;
    for (const auto& side : {changes.lower(), changes.upper()}) make_folder(side / "d");
    make_file(changes.lower() / "d/gone", "");
    make_folder(changes.lower() / "folder");
    make_file(changes.lower() / "folder/f", "");
    make_whiteout(changes.upper() / "d/gone");
    make_whiteout(changes.upper() / "d/never");
    make_whiteout(changes.upper() / "folder");
    set_time(changes.upper() / "d", k_now);
    CHECK(changes.lines() == Lines{folder_line("d", k_now), whiteout_line("d/.wh.gone"), whiteout_line(".wh.folder")});
    CHECK(changes.applied() == describe(tree_of(changes.lower())).substr(0, std::string("d d 755 0:0\n").size()));
}

TEST_CASE("what is the same up to the second is left out" * doctest::skip(is_user)) {
    const Changes changes;
    for (const auto& side : {changes.lower(), changes.upper()}) {
        make_folder(side / "d");
        for (const auto* name : {"same", "bytes", "longer", "time", "mode", "owner"})
            make_file(side / "d" / name, "old");
        fs::create_symlink("a", side / "d/link");
        fs::create_symlink("a", side / "d/other-link");
        for (const auto* name : {"link", "other-link"}) set_time(side / "d" / name, k_then);
    }
    const auto upper = changes.upper() / "d";
    set_time(upper / "same", k_then, 5000);
    make_file(upper / "bytes", "new");
    make_file(upper / "longer", "old and new");
    set_time(upper / "time", k_now);
    REQUIRE(::chmod((upper / "mode").c_str(), 04755) == 0);
    REQUIRE(::chown((upper / "owner").c_str(), 3000000, 7) == 0);
    fs::remove(upper / "other-link");
    fs::create_symlink("b", upper / "other-link");
    set_time(upper / "other-link", k_then);
    set_time(upper, k_then);
    const auto old = sha256("old").hex().substr(0, 8);
    CHECK(changes.lines() == Lines{folder_line("d"), file_line("d/bytes", "new"), file_line("d/longer", "old and new"),
                                   fmt::format("f d/mode 4755 0:0 3 {} @{}", old, k_then),
                                   fmt::format("l d/other-link 777 0:0 -> b @{}", k_then),
                                   fmt::format("f d/owner 644 3000000:7 3 {} @{}", old, k_then),
                                   file_line("d/time", "old", k_now)});
}

TEST_CASE("a folder is an entry for its mode or owner, not for its time" * doctest::skip(is_user)) {
    const Changes changes;
    for (const auto& side : {changes.lower(), changes.upper()})
        for (const auto* name : {"mode", "owner", "time"}) make_folder(side / name);
    REQUIRE(::chmod((changes.upper() / "mode").c_str(), 02750) == 0);
    REQUIRE(::chown((changes.upper() / "owner").c_str(), 5, 0) == 0);
    set_time(changes.upper() / "time", k_now);
    CHECK(changes.lines() ==
          Lines{fmt::format("d mode 2750 0:0 @{}", k_then), fmt::format("d owner 755 5:0 @{}", k_then)});
}

TEST_CASE("files and folders take each other's places" * doctest::skip(is_user)) {
    const Changes changes;
    make_folder(changes.lower() / "a");
    make_file(changes.lower() / "a/f", "");
    make_file(changes.lower() / "b", "");
    make_folder(changes.lower() / "c");
    make_file(changes.upper() / "a", "now a file");
    make_folder(changes.upper() / "b");
    make_opaque(changes.upper() / "b");
    make_file(changes.upper() / "b/f", "");
    fs::create_symlink("/b", changes.upper() / "c");
    set_time(changes.upper() / "c", k_then);
    set_time(changes.upper() / "b", k_now);
    CHECK(changes.lines() == Lines{file_line("a", "now a file"), folder_line("b", k_now), file_line("b/f", ""),
                                   fmt::format("l c 777 0:0 -> /b @{}", k_then)});
    CHECK(changes.applied() == describe(tree_of(changes.upper())));
}

TEST_CASE("of an opaque folder all that is not in it is gone, also further down" * doctest::skip(is_user)) {
    const Changes changes;
    make_folder(changes.lower() / "d");
    make_folder(changes.lower() / "d/sub");
    make_folder(changes.lower() / "d/sub/sub");
    for (const auto* name : {"d/kept", "d/gone", "d/sub/gone", "d/sub/sub/gone", "d/sub/sub/kept", "d-neighbour"})
        make_file(changes.lower() / name, "");
    for (const auto* name : {"d", "d/sub", "d/sub/sub"}) make_folder(changes.upper() / name);
    make_opaque(changes.upper() / "d"); // only: overlayfs marks no folder in a folder that it did not merge
    make_file(changes.upper() / "d/kept", "");
    make_file(changes.upper() / "d/sub/sub/kept", "");
    make_file(changes.upper() / "d/new", "");
    for (const auto* name : {"d/sub/sub", "d/sub", "d"}) set_time(changes.upper() / name, k_now);
    CHECK(changes.lines() == Lines{folder_line("d", k_now), whiteout_line("d/.wh.gone"), file_line("d/new", ""),
                                   folder_line("d/sub", k_now), whiteout_line("d/sub/.wh.gone"),
                                   folder_line("d/sub/sub", k_now), whiteout_line("d/sub/sub/.wh.gone")});
    make_file(changes.upper() / "d-neighbour", "");
    CHECK(changes.applied() == describe(tree_of(changes.upper())));
}

TEST_CASE("the names of a file after the first one are hard links" * doctest::skip(is_user)) {
    const Changes changes;
    make_file(changes.lower() / "b", "same");
    make_file(changes.upper() / "b", "same"); // of a file that is below already the next name is the first
    for (const auto* name : {"c", "d"}) fs::create_hard_link(changes.upper() / "b", changes.upper() / name);
    make_file(changes.upper() / "x", "other");
    fs::create_hard_link(changes.upper() / "x", changes.upper() / "a");
    const auto lines = changes.lines();
    REQUIRE(lines.size() == 4);
    CHECK(lines[0] == file_line("a", "other"));
    CHECK(lines[1] == file_line("c", "same"));
    CHECK(lines[2] == fmt::format("h d 644 0:0 -> c @{}", k_then));
    CHECK(lines[3] == fmt::format("h x 644 0:0 -> a @{}", k_then));
}

TEST_CASE("files of every kind, but no sockets" * doctest::skip(is_user)) {
    const Changes changes;
    const auto upper = changes.upper();
    REQUIRE(::mkfifo((upper / "fifo").c_str(), 0644) == 0);
    REQUIRE(::mknod((upper / "null").c_str(), S_IFCHR | 0644, makedev(1, 3)) == 0);
    REQUIRE(::mknod((upper / "disk").c_str(), S_IFBLK | 0600, makedev(259, 70000)) == 0);
    fs::create_symlink("../../../etc/passwd", upper / "link");
    make_file(upper / "ping", "program");
    REQUIRE(::lsetxattr((upper / "ping").c_str(), "security.capability", k_capability.data(), k_capability.size(), 0) ==
            0);
    REQUIRE(::lsetxattr((upper / "ping").c_str(), "user.note", "x", 1, 0) == 0); // layers hold no others
    const Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE((upper / "socket").string().copy(address.sun_path, sizeof address.sun_path - 1) > 0);
    REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    for (const auto* name : {"fifo", "null", "disk", "link"}) {
        if (name != std::string_view("link")) fs::permissions(upper / name, fs::perms(0640));
        set_time(upper / name, k_then);
    }
    CHECK(changes.lines() ==
          Lines{fmt::format("b disk 640 0:0 259,70000 @{}", k_then), fmt::format("p fifo 640 0:0 @{}", k_then),
                fmt::format("l link 777 0:0 -> ../../../etc/passwd @{}", k_then),
                fmt::format("c null 640 0:0 1,3 @{}", k_then),
                fmt::format("f ping 644 0:0 7 {} security.capability={} @{}", sha256("program").hex().substr(0, 8),
                            sha256(k_capability).hex().substr(0, 8), k_then)});
}

TEST_CASE("a file that gains or loses a capability has changed" * doctest::skip(is_user)) {
    const Changes changes;
    for (const auto& side : {changes.lower(), changes.upper()})
        for (const auto* name : {"gains", "keeps", "loses"}) make_file(side / name, "program");
    for (const auto& path :
         {changes.upper() / "gains", changes.upper() / "keeps", changes.lower() / "keeps", changes.lower() / "loses"})
        REQUIRE(::setxattr(path.c_str(), "security.capability", k_capability.data(), k_capability.size(), 0) == 0);
    std::string names;
    for (const auto& entry : changes.write().entries) names += entry.path + " ";
    CHECK(names == "gains loses ");
}

TEST_CASE("names of any length and bytes; folders come before what is in them" * doctest::skip(is_user)) {
    const Changes changes;
    const std::string longest(255, 'n'), umlaut = "gr\xc3\xbc\xc3\x9f", odd = "a\nb\\c\"", bytes = "\xff\xfe";
    make_folder(changes.upper() / "d");
    make_folder(changes.upper() / "d" / longest);
    for (const auto& name : {longest, umlaut, odd, bytes}) make_file(changes.upper() / "d" / longest / name, name);
    make_file(changes.upper() / "d.x", ""); // between "d" and "d/" by its bytes
    fs::create_symlink(std::string(300, 't'), changes.upper() / "link");
    std::vector<std::string> names;
    for (const auto& entry : changes.write().entries) names.push_back(entry.path);
    const auto inner = "d/" + longest;
    CHECK(names == Lines{"d", inner, inner + "/" + odd, inner + "/" + umlaut, inner + "/" + longest,
                         inner + "/" + bytes, "d.x", "link"});
}

TEST_CASE("a file that is named like a whiteout is refused" * doctest::skip(is_user)) {
    const Changes changes;
    make_file(changes.upper() / ".wh.f", "");
    const auto made = write_upper_layer(changes.upper(), FileTree(), changes.path() / "layer.tar");
    REQUIRE(!made);
    CHECK(made.error().kind == ErrorKind::unsupported);
}

TEST_CASE("the layer of an overlay's changes gives the files that the overlay showed" * doctest::skip(is_user)) {
    const Changes changes;
    const auto lower = changes.lower();
    for (const auto* name : {"d", "d/e", "d/e/deep", "keep", "other", "moved"}) make_folder(lower / name);
    for (const auto* name : {"d/f", "d/e/f", "d/e/deep/f", "keep/mode", "keep/gone", "keep/renamed", "keep/linked",
                             "keep/touched", "keep/same", "other/f", "moved/f", "file"})
        make_file(lower / name, name);
    std::string shown;
    std::async(std::launch::async,
               [&] { // the mounts are this thread's
                   REQUIRE(enter_private_mounts());
                   const std::vector<fs::path> lowers = {lower};
                   const auto merged = mount_overlay(changes.path(), lowers, OverlayChanges::kept_in_upper);
                   REQUIRE_MESSAGE(merged, (merged ? "" : merged.error().message));
                   const auto at = [&](const char* name) { return *merged / name; };
                   fs::remove_all(at("d")); // and made again, with less in it
                   make_folder(at("d"), k_now);
                   make_folder(at("d/e"), k_now);
                   make_folder(at("d/e/deep"), k_now);
                   make_file(at("d/new"), "new", k_now);
                   REQUIRE(::chmod(at("keep/mode").c_str(), 0600) == 0);
                   fs::remove(at("keep/gone"));
                   fs::rename(at("keep/renamed"), at("keep/name"));
                   fs::create_hard_link(at("keep/linked"), at("keep/link"));
                   set_time(at("keep/touched"), k_now);
                   set_time(at("keep/same"), k_then, 77);
                   fs::remove_all(at("other"));
                   make_file(at("other"), "now a file", k_now);
                   fs::remove(at("file"));
                   make_folder(at("file"), k_now);
                   make_file(at("file/f"), "", k_now);
                   CHECK(::rename(at("moved").c_str(), at("elsewhere").c_str()) == -1); // so that programs copy it
                   CHECK(errno == EXDEV);
                   make_folder(at("fresh"), k_now);
                   make_folder(at("fresh/deep"), k_now);
                   fs::remove_all(at("moved"));
                   fs::rename(at("fresh"), at("moved"));
                   shown = describe(tree_of(*merged));
                   CHECK(unmount_overlay(changes.path()));
               })
        .get();
    CHECK(shown.find("d d/e/deep ") != std::string::npos);
    CHECK(changes.applied() == shown);
}

TEST_SUITE_END();
