// SPDX-License-Identifier: Apache-2.0
// Layers made in process: their bytes against those of a real BuildKit, which entries they hold, and where copies go.
#include "executors/in_process/accounts.hpp"
#include "executors/in_process/context_files.hpp"
#include "executors/in_process/copy.hpp"
#include "executors/in_process/layer_files.hpp"

#include "cache/store/layer_store.hpp"

#include <doctest/doctest.h>

#include <sys/stat.h>
#include <unistd.h>

using namespace dbuild;
using namespace dbuild::cache::oci;
using namespace dbuild::executors::in_process;

namespace {

constexpr std::int64_t k_now = 1700000000, k_then = 1577934245;
const FileTree k_empty;

CopiedEntry file(std::string path, std::string bytes, std::uint32_t mode = 0644) {
    CopiedEntry copied;
    copied.entry.path = std::move(path);
    copied.entry.mode = mode;
    copied.entry.size = bytes.size();
    copied.entry.content = sha256(bytes);
    copied.entry.mtime_seconds = k_then;
    copied.body = [bytes = std::move(bytes)](const ByteSink& sink) { return sink(bytes); };
    return copied;
}

CopiedEntry special(std::string path, EntryType type, std::uint32_t mode, std::string target = {}) {
    CopiedEntry copied;
    copied.entry.path = std::move(path);
    copied.entry.type = type;
    copied.entry.mode = mode;
    copied.entry.link_target = std::move(target);
    copied.entry.mtime_seconds = k_then;
    return copied;
}
CopiedEntry folder(std::string path, std::uint32_t mode = 0755) {
    return special(std::move(path), EntryType::directory, mode);
}
CopiedEntry link_to(std::string path, std::string target) {
    return special(std::move(path), EntryType::symlink, 0777, std::move(target));
}

FileTree tree_of(std::vector<CopiedEntry> entries) {
    TableOfContents contents;
    for (auto& copied : entries) contents.entries.push_back(std::move(copied.entry));
    FileTree tree;
    tree.apply(contents);
    return tree;
}

struct Made {
    Digest diff_id;
    LayerScan scan;
    std::string names; // in tar order, blank-separated; a folder with a slash, a link with its target
    const LayerEntry& at(std::string_view path) const {
        for (const auto& entry : scan.contents.entries)
            if (entry.path == path) return entry;
        FAIL("no entry " << path);
        return scan.contents.entries.front();
    }
};

Made write(const PendingLayer& layer) {
    const auto folder_of_test = TempDir::create("dbuild-test").value();
    const auto path = folder_of_test.path() / "layer.tar";
    const auto written = layer.write(path);
    REQUIRE_MESSAGE(written, (written ? "" : written.error().message));
    Made made{written->diff_id, scan_layer(cache::store::file_source(path).value()).value(), {}};
    CHECK(made.scan.diff_id == written->diff_id);
    CHECK(made.scan.size == written->size);
    for (const auto& entry : made.scan.contents.entries) {
        if (!made.names.empty()) made.names += ' ';
        made.names += entry.path + (entry.type == EntryType::directory ? "/" : "");
        if (!entry.link_target.empty())
            made.names += (entry.type == EntryType::hard_link ? "=" : "->") + entry.link_target;
    }
    return made;
}

/// Copies onto `root` and returns the layer.
Made copied(const FileTree& root, const CopyRequest& request) {
    PendingLayer layer(root, k_now);
    const auto done = copy(request, layer);
    REQUIRE_MESSAGE(done, (done ? "" : done.error().message));
    return write(layer);
}
std::string copy_error(const FileTree& root, const CopyRequest& request) {
    PendingLayer layer(root, k_now);
    const auto done = copy(request, layer);
    REQUIRE(!done);
    CHECK(done.error().kind == ErrorKind::step_failed);
    return done.error().message;
}
CopyRequest request(CopySource source, std::string destination) {
    CopyRequest made;
    made.sources.push_back(std::move(source));
    made.destination = std::move(destination);
    return made;
}

} // namespace

TEST_SUITE_BEGIN("executors/in_process");

TEST_CASE("a layer has the bytes that BuildKit 0.13 writes for the same copy") {
    // The diff_id is that of `COPY --from=st /t /t` on Docker 26.1.5, of a tree with exactly these files.
    const std::string p(60, 'p'), q(60, 'q'), r(60, 'r');
    CopySource source{"t", {folder("t")}};
    auto& entries = source.entries;
    auto first = file("t/a", "alpha", 04755), second = first;
    second.entry.path = "t/hard";
    first.link_group = second.link_group = "inode";
    entries.push_back(std::move(first));
    entries.push_back(std::move(second));
    entries.push_back(file("t/" + std::string(120, 'x'), "long"));
    entries.push_back(file("t/\u00e4", "uml"));
    entries.push_back(folder("t/" + p));
    entries.push_back(folder("t/" + p + "/" + q));
    entries.push_back(file("t/" + p + "/" + q + "/f", "z"));
    entries.push_back(folder("t/" + p + "/" + q + "/" + r));
    entries.push_back(file("t/" + p + "/" + q + "/" + r + "/deep", "d"));
    entries.push_back(link_to("t/longlink", std::string(130, 'y')));
    entries.push_back(link_to("t/umlink", "\u00fc"));
    entries.push_back(file("t/empty", ""));
    entries.back().entry.mtime_seconds = -86400;
    entries.push_back(folder("t/a.b"));
    entries.push_back(file("t/a.b/c", "c"));
    entries.push_back(folder("t/a-"));
    std::string digits;
    for (int i = 0; i < 60; ++i) digits += "0123456789";
    entries.push_back(file("t/big", digits));
    entries.push_back(special("t/fifo", EntryType::fifo, 0600));
    entries.push_back(folder("t/sticky", 01777));
    entries.push_back(file("t/owned", "o"));
    entries.back().entry.uid = 3000000;
    entries.back().entry.gid = 7;
    CHECK(copied({}, request(std::move(source), "/t")).diff_id.to_string() ==
          "sha256:27877ae1afbbf2f66267caa364780f755948fe60c570fbe13ebce60af6ec9087");
}

TEST_CASE("a layer without changes is the 1024 zero bytes that BuildKit writes") {
    const auto root = tree_of({folder("a")});
    PendingLayer layer(root, k_now);
    REQUIRE(make_working_directory("/a", {}, layer));
    CHECK(write(layer).diff_id.to_string() ==
          "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef");
}

TEST_CASE("a capability is kept, other attributes are not") {
    auto entry = file("f", "x");
    entry.entry.xattrs = {{"security.capability", std::string("\x01\0\0\x02", 4)}, {"user.note", "n"}};
    const auto made = copied({}, request({"f", {std::move(entry)}}, "/f"));
    CHECK(made.at("f").xattrs ==
          std::map<std::string, std::string>{{"security.capability", std::string("\x01\0\0\x02", 4)}});
}

TEST_CASE("all parents are in the layer, with the attributes that they have in the root") {
    auto home = folder("home", 0700);
    home.entry.uid = 1000;
    const auto root = tree_of({std::move(home), folder("home/x")});
    const auto made = copied(root, request({"f", {file("f", "x")}}, "/home/x/f"));
    CHECK(made.names == "home/ home/x/ home/x/f");
    CHECK(made.at("home").mode == 0700);
    CHECK(made.at("home").uid == 1000);
    CHECK(made.at("home").mtime_seconds == k_then); // nothing in it changed but below
    CHECK(made.at("home/x").mtime_seconds == k_now);
}

TEST_CASE("made parents are 0755 of the owner given, and new") {
    auto copy_request = request({"f", {file("f", "x", 0600)}}, "/a/b/f");
    copy_request.owner = Owner{5, 6};
    const auto made = copied({}, copy_request);
    CHECK(made.names == "a/ a/b/ a/b/f");
    CHECK(made.at("a").mode == 0755);
    CHECK(made.at("a").uid == 5);
    CHECK(made.at("a/b").gid == 6);
    CHECK(made.at("a/b").mtime_seconds == k_now);
    CHECK(made.at("a/b/f").mode == 0600);
    CHECK(made.at("a/b/f").uid == 5);
    CHECK(made.at("a/b/f").mtime_seconds == k_then);
}

TEST_CASE("a mode is that of files and folders below, not of links and not of the folder itself") {
    auto copy_request = request({"d", {folder("d"), folder("d/s"), file("d/s/f", "x"), link_to("d/l", "s")}}, "/n");
    copy_request.mode = ModeChange::parse("4711").value();
    const auto made = copied({}, copy_request);
    CHECK(made.at("n").mode == 0755);
    CHECK(made.at("n/s").mode == 04711);
    CHECK(made.at("n/s/f").mode == 04711);
    CHECK(made.at("n/l").mode == 0777);
}

TEST_CASE("a folder copied onto a folder leaves that one's owner and mode, but not its time") {
    auto old = folder("d", 0700);
    old.entry.uid = 7;
    old.entry.mtime_seconds = 1;
    const auto root = tree_of({std::move(old), folder("d/s", 0711)});
    const auto made = copied(root, request({"e", {folder("e"), folder("e/s"), file("e/s/f", "x")}}, "/d"));
    CHECK(made.names == "d/ d/s/ d/s/f");
    CHECK(made.at("d").mode == 0700);
    CHECK(made.at("d").uid == 7);
    CHECK(made.at("d").mtime_seconds == k_then);
    CHECK(made.at("d/s").mode == 0755); // a folder below takes over
}

TEST_CASE("a file goes into an existing folder, and into what ends with a slash") {
    const auto root = tree_of({folder("d")});
    CHECK(copied(root, request({"f", {file("x/g", "x")}}, "/d")).names == "d/ d/f");
    CHECK(copied(root, request({"f", {file("x/g", "x")}}, "/n/")).names == "n/ n/f");
    CHECK(copied(root, request({"f", {file("x/g", "x")}}, "/n")).names == "n");
    CHECK(copied(root, request({"f", {file("x/g", "x")}}, "/")).names == "f");
}

TEST_CASE("several files for one name: the last one stays") {
    auto copy_request = request({"f", {file("f", "1")}}, "/n");
    copy_request.sources.push_back({"g", {file("g", "2")}});
    CHECK(copied({}, copy_request).at("n").content == sha256("2"));
}

TEST_CASE("the destination's links are followed inside the root; a link in the way of a copied file is replaced") {
    const auto root = tree_of({folder("etc"), folder("s"), folder("s/real"), link_to("s/lnk", "real"),
                               link_to("s/up", "../../../../etc"), link_to("s/abs", "/s/real"),
                               link_to("s/dang", "nowhere"), link_to("s/real/f", "../../etc/passwd")});
    CHECK(copied(root, request({"f", {file("f", "x")}}, "/s/lnk/")).names == "s/ s/real/ s/real/f");
    CHECK(copied(root, request({"f", {file("f", "x")}}, "/s/abs")).names == "s/ s/real/ s/real/f");
    CHECK(copied(root, request({"f", {file("f", "x")}}, "/s/up/f")).names == "etc/ etc/f");
    CHECK(copied(root, request({"f", {file("f", "x")}}, "/s/dang")).names == "s/ s/nowhere");
    CHECK(copied(root, request({"e", {folder("e"), file("e/f", "x")}}, "/s/real")).names == "s/ s/real/ s/real/f");
    CHECK(copied(root, request({"f", {file("f", "x")}}, "/../../x")).names == "x");
}

TEST_CASE("links that never end are an error") {
    const auto root = tree_of({link_to("a", "b"), link_to("b", "a")});
    CHECK(copy_error(root, request({"f", {file("f", "x")}}, "/a/f")).find("too many links") != std::string::npos);
}

TEST_CASE("files and folders do not replace one another") {
    const auto root = tree_of({file("f", "x"), folder("d"), folder("d/s"), link_to("d/l", "s")});
    CHECK(copy_error(root, request({"e", {folder("e")}}, "/f")) == "cannot copy to non-directory: /f");
    CHECK(copy_error(root, request({"e", {folder("e"), file("e/s", "x")}}, "/d")) ==
          "cannot replace to directory /d/s with file");
    CHECK(copy_error(root, request({"e", {folder("e"), folder("e/l")}}, "/d")) == "cannot copy to non-directory: /d/l");
    CHECK(copy_error(root, request({"g", {file("g", "x")}}, "/f/g")) == "mkdir /f: not a directory");
}

TEST_CASE("what is in the root already is not in the layer, nor are its parents") {
    const auto root = tree_of({folder("d"), file("d/f", "x"), file("d/g", "y")});
    CHECK(copied(root, request({"e", {folder("e"), file("e/f", "x"), file("e/g", "y")}}, "/d")).names.empty());
    CHECK(copied(root, request({"e", {folder("e"), file("e/f", "x"), file("e/g", "z")}}, "/d")).names == "d/ d/g");
    CHECK(copied(root, request({"e", {folder("e"), file("e/f", "x", 0600)}}, "/d")).names == "d/ d/f");
}

TEST_CASE("hard links are kept within one source, not across two") {
    auto first = file("a", "x"), second = file("b", "x");
    first.link_group = second.link_group = "inode";
    CopyRequest copy_request = request({"e", {folder(""), first, second}}, "/n/");
    copy_request.sources.push_back({"a", {first}});
    copy_request.sources.back().base_name = "c";
    CHECK(copied({}, copy_request).names == "n/ n/a n/b=n/a n/c");
}

TEST_CASE("a file with other bytes than it was hashed with fails the copy") {
    for (const std::string found : {"other", "shorter than it was", ""}) {
        auto entry = file("f", "bytes");
        entry.body = [found](const ByteSink& sink) { return sink(found); };
        PendingLayer layer(k_empty, k_now);
        REQUIRE(copy(request({"f", {std::move(entry)}}, "/f"), layer));
        const auto folder_of_test = TempDir::create("dbuild-test").value();
        const auto written = layer.write(folder_of_test.path() / "layer.tar");
        REQUIRE(!written);
        CHECK(written.error().kind == ErrorKind::transient);
    }
}

TEST_CASE("WORKDIR makes what is missing, of its owner, through links") {
    const auto root = tree_of({folder("r", 0700), link_to("l", "/r")});
    PendingLayer layer(root, k_now);
    REQUIRE(make_working_directory("/l/a/b", Owner{12, 13}, layer));
    const auto made = write(layer);
    CHECK(made.names == "r/ r/a/ r/a/b/");
    CHECK(made.at("r").uid == 0);
    CHECK(made.at("r").mode == 0700);
    CHECK(made.at("r/a").uid == 12);
    CHECK(made.at("r/a/b").gid == 13);
}

TEST_CASE("owners: numbers, names, names that are not there") {
    const std::string passwd = "root:x:0:0::/:/bin/sh\napp:x:1000:1001::/:/bin/sh",
                      groups = "root:x:0:\nstaff:x:50:app\n";
    const auto owner = [&](std::string_view text) { return OwnerText::parse(text).look_up(passwd, groups); };
    CHECK(owner("5") == Owner{5, 5});
    CHECK(owner("5:6") == Owner{5, 6});
    CHECK(owner("app") == Owner{1000, 1001});
    CHECK(owner("app:staff") == Owner{1000, 50});
    CHECK(owner("app:7") == Owner{1000, 7});
    CHECK(owner("9:staff") == Owner{9, 50});
    CHECK(owner("nobody") == Owner{0, 0});
    CHECK(owner("root:root") == Owner{0, 0});
    CHECK(!OwnerText::parse("root").needs_passwd);
    CHECK(OwnerText::parse("5:staff").needs_group);
    CHECK(owner("5:") == Owner{5, 0});
    CHECK(owner(":5") == Owner{0, 5});
    CHECK(owner("-1") == Owner{4294967295, 4294967295}); // as BuildKit wraps it
}

TEST_CASE("a context's file is not read through a link that took a folder's place") {
    const auto work = TempDir::create("dbuild-test").value();
    REQUIRE(make_directories(work.path() / "context/d"));
    REQUIRE(make_directories(work.path() / "outside"));
    REQUIRE(write_file(work.path() / "context/d/f", "x"));
    REQUIRE(write_file(work.path() / "outside/f", "x"));
    const auto files = ContextFiles::open(work.path() / "context").value();
    const auto entry = files.file(file("d/f", "x").entry);
    const ByteSink ignore = [](std::string_view) -> Status { return {}; };
    CHECK(entry.link_group.empty());
    CHECK(entry.body(ignore));
    std::filesystem::remove_all(work.path() / "context/d");
    std::filesystem::create_symlink("../outside", work.path() / "context/d");
    const auto read = entry.body(ignore);
    REQUIRE(!read);
    CHECK(read.error().kind == ErrorKind::transient);
}

TEST_CASE("names of one inode in a context share their group") {
    const auto work = TempDir::create("dbuild-test").value();
    REQUIRE(write_file(work.path() / "a", "x"));
    REQUIRE(::link((work.path() / "a").c_str(), (work.path() / "b").c_str()) == 0);
    const auto files = ContextFiles::open(work.path()).value();
    CHECK(!files.file(file("a", "x").entry).link_group.empty());
    CHECK(files.file(file("a", "x").entry).link_group == files.file(file("b", "x").entry).link_group);
}

TEST_CASE("a file that is named like a whiteout is BuildKit's business") {
    const TempDir folder = TempDir::create("dbuild-test").value();
    PendingLayer layer(k_empty, k_now);
    REQUIRE(copy(request({"a", {file("a", "x")}}, "/d/.wh.a"), layer));
    const auto written = layer.write(folder.path() / "layer");
    REQUIRE(!written);
    CHECK(written.error().kind == ErrorKind::unsupported);
}

TEST_CASE("files of layers: the newest bytes, hard links across layers, and one read of each layer") {
    // Two layers written by ourselves and handed over by digest.
    const auto work = TempDir::create("dbuild-test").value();
    const auto lower_path = work.path() / "lower", upper_path = work.path() / "upper";
    PendingLayer lower(k_empty, k_now);
    auto a = file("d/a", "old a"), b = file("d/b", "shared"), c = file("d/c", "shared");
    b.link_group = c.link_group = "inode";
    REQUIRE(copy(request({"d", {folder("d"), a, b, c}}, "/d"), lower));
    const auto lower_id = lower.write(lower_path).value().diff_id;
    PendingLayer upper(k_empty, k_now);
    REQUIRE(copy(request({"a", {file("a", "new a")}}, "/d/a"), upper));
    const auto upper_id = upper.write(upper_path).value().diff_id;

    LayerFiles files;
    files.apply(lower_id, scan_layer(cache::store::file_source(lower_path).value()).value().contents);
    files.apply(upper_id, scan_layer(cache::store::file_source(upper_path).value()).value().contents);
    int reads = 0;
    const executors::LayerReader read_layer = [&](const Digest& blob, const ByteSink& sink) -> Status {
        ++reads;
        return sink(read_file(blob == lower_id ? lower_path : upper_path).value());
    };
    auto new_a = files.entry("d/a"), first = files.entry("d/b"), second = files.entry("d/c");
    CHECK(!first.link_group.empty());
    CHECK(first.link_group == second.link_group);
    CHECK(new_a.link_group.empty());
    CopiedEntry* wanted[] = {&new_a, &first, &second};
    REQUIRE(files.load(wanted, read_layer));
    CHECK(reads == 2);
    std::string bytes;
    for (const auto* entry : wanted)
        REQUIRE(entry->body([&](std::string_view part) -> Status { return bytes += part, Status(); }));
    CHECK(bytes == "new asharedshared");
}

TEST_SUITE_END();
