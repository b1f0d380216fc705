// SPDX-License-Identifier: Apache-2.0
// The build context: what a source selects, what its digest depends on, and how little is read for it.
#include "cache/context/context_tree.hpp"

#include "support/files.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <sched.h>
#include <string>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

using namespace dbuild;
using cache::context::ContextTree;
namespace fs = std::filesystem;

namespace {

/// A context with the same modes under every umask.
class Folder {
public:
    Folder() : folder_(TempDir::create("dbuild-context").value()) {}
    const fs::path& path() const { return folder_.path(); }
    void put(const std::string& name, std::string_view bytes, mode_t mode = 0644) const {
        const auto full = path() / name;
        std::vector<fs::path> made;
        for (auto parent = full.parent_path(); !fs::exists(parent); parent = parent.parent_path())
            made.push_back(parent);
        std::reverse(made.begin(), made.end());
        for (const auto& parent : made) {
            fs::create_directory(parent);
            REQUIRE(::chmod(parent.c_str(), 0755) == 0);
        }
        REQUIRE(write_file(full, bytes));
        REQUIRE(::chmod(full.c_str(), mode) == 0);
    }
    void link(const std::string& name, const std::string& target) const { fs::create_symlink(target, path() / name); }
    ContextTree open() const {
        return ContextTree::open(
                   path(), [](std::string_view) { return false; }, [](std::string_view) { return false; })
            .value();
    }
    /// Ignores one name at the top with all below, except one path.
    ContextTree open_ignoring(std::string name, std::string kept = "") const {
        const auto is_ignored = [name, kept](std::string_view path) {
            return (path == name || path.starts_with(name + "/")) && (kept.empty() || path != kept);
        };
        const auto can_skip = [=](std::string_view path) { return is_ignored(path) && kept.empty(); };
        return ContextTree::open(path(), is_ignored, can_skip).value();
    }
    Digest digest(std::string_view source) const { return open().source_digest(source).value(); }

private:
    TempDir folder_;
};

std::pair<std::time_t, long> changed_at(const fs::path& path) {
    struct stat status {};
    REQUIRE(::lstat(path.c_str(), &status) == 0);
    return {status.st_ctim.tv_sec, status.st_ctim.tv_nsec};
}

void check_not_found(const Result<Digest>& digest, std::string_view text) {
    REQUIRE_FALSE(digest);
    CHECK(digest.error().kind == ErrorKind::not_found);
    CHECK(digest.error().message == text);
}

} // namespace

TEST_SUITE_BEGIN("cache/context_tree");

TEST_CASE("a digest depends on bytes, modes and names, not on times, owners or where the context is") {
    Folder one, two;
    for (const auto* folder : {&one, &two}) {
        folder->put("src/a", "1");
        folder->put("src/deep/b", "2");
    }
    fs::last_write_time(two.path() / "src/a", fs::file_time_type());
    const auto id = one.digest("src");
    CHECK(id == two.digest("/src/"));
    two.put("src/a", "1", 0755);
    CHECK(id != two.digest("src"));
    two.put("src/a", "1");
    CHECK(id == two.digest("./src"));
    two.put("src/c", "");
    CHECK(id != two.digest("src"));
}

TEST_CASE("an empty folder counts") {
    Folder folder;
    folder.put("src/a", "1");
    const auto before = folder.digest("src");
    fs::create_directory(folder.path() / "src/empty");
    CHECK(before != folder.digest("src"));
}

TEST_CASE("the whole context is a source, and its own mode does not count") {
    Folder folder;
    folder.put("a", "1");
    const auto id = folder.digest(".");
    REQUIRE(::chmod(folder.path().c_str(), 0755) == 0);
    CHECK(id == folder.digest("/"));
    folder.put("b", "2");
    CHECK(id != folder.digest("."));
}

TEST_CASE("a source that is missing is not found, in BuildKit's words") {
    Folder folder;
    folder.put("a", "1");
    check_not_found(folder.open().source_digest("x"), "\"/x\": not found");
    check_not_found(folder.open().source_digest("a/x"), "\"/a/x\": not found");
    check_not_found(folder.open().source_digest("b/../../y"), "\"/y\": not found");
}

TEST_CASE("a source that is ignored is not found, and ignored trees do not count elsewhere") {
    Folder folder;
    folder.put("a", "1");
    const auto id = folder.digest(".");
    folder.put("skip/secret", "2");
    CHECK(id != folder.digest("."));
    auto tree = folder.open_ignoring("skip");
    CHECK(tree.source_digest(".").value() == id);
    CHECK(tree.counters().bytes_read == 1);
    check_not_found(tree.source_digest("skip"), "\"/skip\": not found (.dockerignore leaves it out)");
    check_not_found(tree.source_digest("skip/secret"), "\"/skip/secret\": not found (.dockerignore leaves it out)");
    check_not_found(tree.source_digest("skip/none"), "\"/skip/none\": not found");
}

TEST_CASE("an exception below an ignored folder brings back the folder and that file only") {
    Folder folder;
    folder.put("skip/kept", "1");
    const auto id = folder.digest(".");
    folder.put("skip/other", "2");
    CHECK(folder.open_ignoring("skip", "skip/kept").source_digest(".").value() == id);
    CHECK(folder.open_ignoring("skip", "skip/kept").source_digest("skip/kept"));
    CHECK_FALSE(folder.open_ignoring("skip", "skip/none").source_digest("skip"));
}

TEST_CASE("a link that is left out is not there, though what it leads to is") {
    Folder folder;
    folder.put("real/a", "1");
    folder.link("alias", "real");
    auto tree = folder.open_ignoring("alias");
    for (const auto* source : {"alias", "alias/a", "alias/*"}) {
        const auto digest = tree.source_digest(source);
        REQUIRE_FALSE(digest);
        CHECK(digest.error().kind == ErrorKind::not_found);
        CHECK(digest.error().message.find(".dockerignore leaves it out") != std::string::npos);
    }
    CHECK(tree.source_digest("real/a"));
    CHECK(tree.select("al*").value().empty());
}

TEST_CASE("links inside a source are text, at its end and along it they are followed") {
    Folder folder;
    folder.put("real/a", "1");
    folder.link("alias", "real");
    folder.put("holder/x", "1");
    folder.link("holder/l", "../real/a");
    CHECK(folder.digest("alias") == folder.digest("real"));
    CHECK(folder.digest("alias/a") == folder.digest("real/a"));
    const auto before = folder.digest("holder");
    folder.put("real/a", "changed");
    CHECK(before == folder.digest("holder"));
    fs::remove(folder.path() / "holder/l");
    folder.link("holder/l", "../real/b");
    CHECK(before != folder.digest("holder"));
}

TEST_CASE("a link that leads out of the context stays inside it") {
    Folder folder;
    folder.put("etc/hostname", "inside");
    folder.link("absolute", "/etc/hostname");
    folder.link("climbing", "../../../../../../etc/hostname");
    folder.link("outside", "/proc/version");
    CHECK(folder.digest("absolute") == folder.digest("etc/hostname"));
    CHECK(folder.digest("climbing") == folder.digest("etc/hostname"));
    check_not_found(folder.open().source_digest("outside"), "\"/outside\": not found");
}

TEST_CASE("links in a circle and links to nothing end in an error as a source, and are text inside one") {
    Folder folder;
    folder.put("d/x", "1");
    folder.link("d/a", "b");
    folder.link("d/b", "a");
    folder.link("d/dangling", "nowhere");
    CHECK_FALSE(folder.open().source_digest("d/a"));
    CHECK_FALSE(folder.open().source_digest("d/dangling"));
    CHECK(folder.open().source_digest("d"));
}

TEST_CASE("a wildcard selects by name, does not cross a slash, and may match nothing") {
    Folder folder;
    folder.put("a.c", "1");
    folder.put("b.h", "2");
    folder.put("sub/c.c", "3");
    const auto id = folder.digest("*.c");
    folder.put("sub/c.c", "4");
    folder.put("b.h", "5");
    CHECK(id == folder.digest("*.c"));
    fs::rename(folder.path() / "a.c", folder.path() / "z.c");
    CHECK(id != folder.digest("*.c"));
    CHECK(folder.open().source_digest("*.none"));
    CHECK(folder.digest("*.none") == folder.digest("*.nothing"));
    CHECK(folder.digest("sub/*.none") == folder.digest("*/none"));
    const auto below_nothing = folder.open().source_digest("none/*");
    REQUIRE_FALSE(below_nothing);
    CHECK(below_nothing.error().kind == ErrorKind::not_found);
    CHECK(below_nothing.error().message == "\"/none\": not found");
}

TEST_CASE("only what a source names is read, and each file once however many sources read it") {
    Folder folder;
    folder.put("src/a", "123");
    folder.put("src/b", "4567");
    folder.put("huge", std::string(100000, 'h'));
    auto tree = folder.open();
    REQUIRE(tree.source_digest("src/a"));
    CHECK(tree.counters().bytes_read == 3);
    REQUIRE(tree.source_digest("src"));
    REQUIRE(tree.source_digest("src/b"));
    REQUIRE(tree.source_digest("src"));
    CHECK(tree.counters().bytes_read == 7);
    CHECK(tree.counters().files_hashed == 2);
}

TEST_CASE("a tree that already knows a part of a source gives the same digest as a fresh one") {
    Folder folder;
    folder.put("src/a", "1");
    folder.put("src/deep/b", "2");
    const auto fresh = folder.digest("src");
    auto tree = folder.open();
    REQUIRE(tree.source_digest("src/deep"));
    REQUIRE(tree.source_digest("src/a"));
    CHECK(tree.source_digest("src").value() == fresh);
}

TEST_CASE("many files hashed by several threads give what one would") {
    Folder folder;
    for (int i = 0; i < 300; ++i) folder.put("many/f" + std::to_string(i), std::to_string(i));
    const auto id = folder.digest("many");
    for (int i = 0; i < 5; ++i) CHECK(folder.digest("many") == id);
    auto tree = folder.open();
    const auto files = tree.files_of("many");
    REQUIRE(files);
    REQUIRE(files->size() == 300);
    for (const auto& [path, digest] : *files) CHECK(digest == sha256(path.substr(std::strlen("many/f"))));
}

TEST_CASE("the files of a source are regular files with the digests of their bytes") {
    Folder folder;
    folder.put("src/a", "1");
    folder.put("src/deep/b", "2");
    folder.link("src/l", "a");
    auto tree = folder.open();
    REQUIRE(tree.source_digest("src"));
    const auto files = tree.files_of("src");
    REQUIRE(files);
    CHECK(*files == std::vector<std::pair<std::string, Digest>>{{"src/a", sha256("1")}, {"src/deep/b", sha256("2")}});
}

TEST_CASE("a socket is an empty regular file") {
    Folder folder, other;
    const Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, (folder.path() / "s").c_str(), sizeof address.sun_path - 1);
    REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::chmod((folder.path() / "s").c_str(), 0644) == 0);
    other.put("s", "");
    CHECK(folder.digest("s") == other.digest("s"));
}

TEST_CASE("a FIFO is described, not opened") {
    Folder folder;
    REQUIRE(::mkfifo((folder.path() / "pipe").c_str(), 0644) == 0);
    auto tree = folder.open();
    CHECK(tree.source_digest("."));
    CHECK(tree.counters().files_hashed == 0);
}

TEST_CASE("names are raw bytes") {
    Folder folder;
    folder.put("latin\xE9", "1");
    folder.put("utf\xC3\xA9", "2");
    auto tree = folder.open();
    const auto files = tree.files_of(".");
    REQUIRE(files);
    CHECK(files->size() == 2);
    CHECK(tree.source_digest("latin\xE9"));
}

// Root reads everything, so there it would check nothing: skipped, not passed.
TEST_CASE("a file that cannot be read is unavailable, and named" * doctest::skip(::geteuid() == 0)) {
    Folder folder;
    folder.put("locked", "1", 0);
    const auto digest = folder.open().source_digest("locked");
    REQUIRE_FALSE(digest);
    CHECK(digest.error().kind == ErrorKind::unavailable);
    CHECK(digest.error().message.find("locked") != std::string::npos);
}

TEST_CASE("a context that nobody touched is verified, also one that was written just now") {
    Folder folder;
    folder.put("src/a", "1");
    folder.put("other", "1");
    folder.link("src/l", "a");
    auto tree = folder.open();
    for (const auto* source : {".", "src", "src/a", "src/l", "*", "no*"}) {
        REQUIRE(tree.source_digest(source));
        CHECK(tree.verify_unchanged(source));
    }
    folder.put("other", "2");
    CHECK(tree.verify_unchanged("src"));
}

TEST_CASE("whatever changed after it was hashed fails the verification, by name") {
    Folder folder;
    folder.put("src/deep/a", "1");
    folder.put("src/b", "1");
    folder.link("src/l", "b");
    auto check = [&](std::string_view name, auto edit) {
        auto tree = folder.open();
        REQUIRE(tree.source_digest("src"));
        REQUIRE(tree.verify_unchanged("src"));
        edit();
        const auto verified = tree.verify_unchanged("src");
        REQUIRE_FALSE(verified);
        CHECK(verified.error().kind == ErrorKind::transient);
        CHECK(verified.error().message == "the build context changed while it was used: /" + std::string(name));
    };
    check("src/deep/a", [&] { folder.put("src/deep/a", "2"); });
    check("src/deep/a", [&] { // there and back, which shows as soon as the clock has ticked
        const auto before = changed_at(folder.path() / "src/deep/a");
        while (changed_at(folder.path() / "src/deep/a") == before) {
            folder.put("src/deep/a", "3");
            folder.put("src/deep/a", "2");
        }
    });
    check("src/deep", [&] { folder.put("src/deep/new", "1"); });
    check("src/deep", [&] { fs::remove(folder.path() / "src/deep/new"); });
    check("src", [&] { fs::remove(folder.path() / "src/l"); });
    check("src/b", [&] { REQUIRE(::chmod((folder.path() / "src/b").c_str(), 0600) == 0); });
    check("src", [&] { fs::remove_all(folder.path() / "src"); });
}

// On a ramfs, whose clock is as coarse as that of other file systems before Linux 6.13; so by root only.
TEST_CASE("a link that changed within one tick of the clock fails the verification" * doctest::skip(::geteuid() != 0)) {
    Folder folder;
    const auto process = ::fork();
    REQUIRE(process >= 0);
    if (process == 0) { // with mounts of its own
        if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
            ::mount("none", folder.path().c_str(), "ramfs", 0, nullptr) != 0)
            ::_exit(2);
        const auto link = folder.path() / "link";
        int unseen_by_time = 0, missed = 0;
        for (int i = 0; i < 200; ++i) {
            fs::remove(link);
            folder.link("link", "one");
            const auto before = changed_at(link);
            auto tree = folder.open();
            const bool is_hashed = tree.source_digest(".").has_value();
            fs::remove(link);
            folder.link("link", "two");
            unseen_by_time += changed_at(link) == before;
            missed += !is_hashed || tree.verify_unchanged(".").has_value();
        }
        ::_exit(unseen_by_time == 0 ? 3 : missed == 0 ? 0 : 1);
    }
    int status = -1;
    REQUIRE(::waitpid(process, &status, 0) == process);
    CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("a wildcard that matches more, and a link that leads elsewhere, fail the verification") {
    Folder folder;
    folder.put("a.c", "1");
    folder.put("b", "1");
    folder.link("l", "a.c");
    auto tree = folder.open();
    REQUIRE(tree.source_digest("*.c"));
    REQUIRE(tree.source_digest("l"));
    folder.put("z.c", "1");
    fs::remove(folder.path() / "l");
    folder.link("l", "b");
    CHECK_FALSE(tree.verify_unchanged("*.c"));
    CHECK_FALSE(tree.verify_unchanged("l"));
    CHECK(tree.select("*.c").value().size() == 1); // a selection stays what was hashed
}

TEST_CASE("a context that is no folder is refused") {
    CHECK_FALSE(ContextTree::open("/dev/null", nullptr, nullptr));
    CHECK_FALSE(ContextTree::open("/no/such/context", nullptr, nullptr));
}

TEST_SUITE_END();
