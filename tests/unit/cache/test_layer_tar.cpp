// SPDX-License-Identifier: Apache-2.0
// Layer tars, tables of contents and file trees: what is read, what is refused, what an identity depends on, and stored
// bytes.
#include "cache/oci/layer_tar.hpp"

#include "support/compression.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

using namespace dbuild;
using namespace dbuild::cache::oci;

namespace {

LayerEntry file(std::string path, std::string_view bytes, std::uint32_t mode = 0644) {
    LayerEntry entry;
    entry.path = std::move(path);
    entry.mode = mode;
    entry.size = bytes.size();
    entry.content = sha256(bytes);
    return entry;
}
LayerEntry folder(std::string path) {
    LayerEntry entry;
    entry.path = std::move(path);
    entry.type = EntryType::directory;
    entry.mode = 0755;
    return entry;
}
LayerEntry link_to(std::string path, std::string target, EntryType type = EntryType::symlink) {
    LayerEntry entry;
    entry.path = std::move(path);
    entry.type = type;
    entry.mode = type == EntryType::symlink ? 0777 : 0644;
    entry.link_target = std::move(target);
    return entry;
}

/// A tar made by libarchive's pax writer.
class TarMaker {
public:
    explicit TarMaker(bool gzip = false) : writer_(archive_write_new()) {
        archive_write_set_format_pax_restricted(writer_);
        if (gzip) archive_write_add_filter_gzip(writer_);
        archive_write_set_bytes_in_last_block(writer_, 1);
        archive_write_open(writer_, this, nullptr, &TarMaker::append, nullptr);
    }
    void add(const LayerEntry& made, std::string_view bytes = {}) {
        archive_entry* entry = archive_entry_new();
        archive_entry_copy_pathname(entry, made.path.c_str());
        archive_entry_set_perm(entry, static_cast<mode_t>(made.mode));
        archive_entry_set_uid(entry, static_cast<la_int64_t>(made.uid));
        archive_entry_set_gid(entry, static_cast<la_int64_t>(made.gid));
        archive_entry_set_mtime(entry, made.mtime_seconds, 0);
        for (const auto& [name, value] : made.xattrs)
            archive_entry_xattr_add_entry(entry, name.c_str(), value.data(), value.size());
        switch (made.type) {
        case EntryType::directory: archive_entry_set_filetype(entry, AE_IFDIR); break;
        case EntryType::symlink:
            archive_entry_set_filetype(entry, AE_IFLNK);
            archive_entry_copy_symlink(entry, made.link_target.c_str());
            break;
        case EntryType::fifo: archive_entry_set_filetype(entry, AE_IFIFO); break;
        case EntryType::character_device:
            archive_entry_set_filetype(entry, AE_IFCHR);
            archive_entry_set_rdevmajor(entry, made.device_major);
            archive_entry_set_rdevminor(entry, made.device_minor);
            break;
        default: archive_entry_set_filetype(entry, AE_IFREG);
        }
        if (made.type == EntryType::hard_link) archive_entry_copy_hardlink(entry, made.link_target.c_str());
        archive_entry_set_size(entry, static_cast<la_int64_t>(bytes.size()));
        archive_write_header(writer_, entry);
        if (!bytes.empty()) archive_write_data(writer_, bytes.data(), bytes.size());
        archive_entry_free(entry);
    }
    std::string finish() {
        archive_write_free(writer_);
        return std::move(bytes_);
    }

private:
    static la_ssize_t append(archive*, void* self, const void* data, std::size_t size) {
        static_cast<TarMaker*>(self)->bytes_.append(static_cast<const char*>(data), size);
        return static_cast<la_ssize_t>(size);
    }
    archive* writer_;
    std::string bytes_;
};

Result<LayerScan> scan(std::string_view bytes, const ByteSink& sink = nullptr, std::size_t piece = 1 << 20) {
    return scan_layer(
        [bytes, piece](char* buffer, std::size_t capacity) mutable -> Result<std::size_t> {
            const auto count = bytes.copy(buffer, std::min(capacity, piece));
            bytes.remove_prefix(count);
            return count;
        },
        sink);
}

std::string sample_tar(bool gzip = false) {
    TarMaker tar(gzip);
    tar.add(folder("etc"));
    tar.add(file("etc/name", "hello", 04755), "hello");
    tar.add(link_to("etc/link", "../usr/x"));
    tar.add(link_to("etc/hard", "etc/name", EntryType::hard_link));
    tar.add(file("etc/.wh.gone", ""));
    return tar.finish();
}

TableOfContents contents_of(std::vector<LayerEntry> entries) { return {std::move(entries)}; }

Digest plain_id(std::vector<LayerEntry> entries) { return content_id({std::move(entries)}, TimePolicy::ignored); }

FileTree tree_of(std::vector<LayerEntry> entries) {
    FileTree tree;
    tree.apply({std::move(entries)});
    return tree;
}

} // namespace

TEST_SUITE_BEGIN("cache/layer_tar");

TEST_CASE("a scan gives every member with its attributes, in the order of the tar") {
    TarMaker maker;
    auto owned = file("bin/tool", "12345", 06755);
    owned.uid = 1000;
    owned.gid = 3000000;
    owned.mtime_seconds = 1234567890;
    owned.xattrs = {{"user.note", std::string("a\0b", 3)}};
    maker.add(owned, "12345");
    auto device = folder("dev/null");
    device.type = EntryType::character_device;
    device.device_major = 1;
    device.device_minor = 3;
    maker.add(device);
    const auto layer = scan(maker.finish());
    REQUIRE(layer);
    const auto& entries = layer->contents.entries;
    REQUIRE(entries.size() == 2);
    CHECK(entries[0].path == "bin/tool");
    CHECK(entries[0].type == EntryType::file);
    CHECK(entries[0].mode == 06755);
    CHECK(entries[0].uid == 1000);
    CHECK(entries[0].gid == 3000000);
    CHECK(entries[0].size == 5);
    CHECK(entries[0].mtime_seconds == 1234567890);
    CHECK(entries[0].xattrs == owned.xattrs);
    CHECK(entries[0].content == sha256("12345"));
    CHECK(entries[1].type == EntryType::character_device);
    CHECK(entries[1].device_major == 1);
    CHECK(entries[1].device_minor == 3);
}

TEST_CASE("links and whiteouts are told apart") {
    const auto layer = scan(sample_tar());
    REQUIRE(layer);
    const auto& entries = layer->contents.entries;
    REQUIRE(entries.size() == 5);
    CHECK(entries[2].type == EntryType::symlink);
    CHECK(entries[2].link_target == "../usr/x");
    CHECK(entries[3].type == EntryType::hard_link);
    CHECK(entries[3].link_target == "etc/name");
    CHECK(entries[4].is_whiteout());
    CHECK_FALSE(entries[4].is_opaque_marker());
    CHECK_FALSE(entries[1].is_whiteout());
    CHECK(file("a/.wh..wh..opq", "").is_opaque_marker());
    CHECK_FALSE(file(".wh.a/b", "").is_whiteout());
}

TEST_CASE("the diff_id covers all uncompressed bytes, padding too, and the sink gets them all") {
    const auto tar = sample_tar() + std::string(4096, '\0') + "after the end";
    std::string sunk;
    const auto layer = scan(tar, [&](std::string_view bytes) -> Status {
        sunk += bytes;
        return {};
    });
    REQUIRE(layer);
    CHECK(layer->diff_id == sha256(tar));
    CHECK(layer->size == tar.size());
    CHECK(sunk == tar);
}

TEST_CASE("gzip and zstd layers scan as the tar inside, whatever the pieces they arrive in") {
    const auto tar = sample_tar();
    const auto zstd = zstd_compress(tar);
    REQUIRE(zstd);
    for (const std::size_t piece : {std::size_t{7}, std::size_t{1} << 20}) {
        const auto from_gzip = scan(sample_tar(true), nullptr, piece);
        const auto from_zstd = scan(*zstd, nullptr, piece);
        REQUIRE(from_gzip);
        REQUIRE(from_zstd);
        CHECK(from_gzip->diff_id == sha256(tar));
        CHECK(from_zstd->diff_id == sha256(tar));
        CHECK(from_gzip->contents.entries.size() == 5);
    }
}

TEST_CASE("a gzip layer whose header has a checksum scans as the tar inside") {
    auto gzip = sample_tar(true);
    REQUIRE(gzip[3] == 0); // flags: a header of ten bytes
    gzip[3] = 2;
    std::uint32_t crc = 0xffffffff;
    for (int i = 0; i < 10; ++i) {
        crc ^= static_cast<unsigned char>(gzip[static_cast<std::size_t>(i)]);
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    gzip.insert(10, {static_cast<char>(~crc & 0xff), static_cast<char>(~crc >> 8 & 0xff)});
    const auto layer = scan(gzip);
    REQUIRE(layer);
    CHECK(layer->diff_id == sha256(sample_tar()));
}

TEST_CASE("a tar without members is a layer that changes nothing") {
    const auto layer = scan(std::string(1024, '\0'));
    REQUIRE(layer);
    CHECK(layer->contents.entries.empty());
}

TEST_CASE("names are raw bytes: UTF-8 and what is no UTF-8") {
    TarMaker maker;
    maker.add(file("caf\xC3\xA9", ""));
    maker.add(file("latin\xE9", ""));
    const auto layer = scan(maker.finish());
    REQUIRE(layer);
    CHECK(layer->contents.entries.at(0).path == "caf\xC3\xA9");
    CHECK(layer->contents.entries.at(1).path == "latin\xE9");
}

TEST_CASE("garbage and nothing at all are corrupt") {
    for (const auto& bytes : {std::string(), std::string("no tar"), std::string(5000, 'x')}) {
        const auto layer = scan(bytes);
        REQUIRE_FALSE(layer);
        CHECK(layer.error().kind == ErrorKind::corrupt);
    }
}

TEST_CASE("a tar that is cut off inside a member or a header is corrupt") {
    TarMaker maker;
    maker.add(file("big", ""), std::string(10000, 'b'));
    const auto tar = maker.finish();
    for (const std::size_t size : {std::size_t{300}, std::size_t{512 + 100}, std::size_t{512 + 9000}}) {
        const auto layer = scan(tar.substr(0, size));
        REQUIRE_FALSE(layer);
        CHECK(layer.error().kind == ErrorKind::corrupt);
    }
}

TEST_CASE("a compressed layer that is cut off is corrupt") {
    const auto gzip = sample_tar(true);
    CHECK_FALSE(scan(gzip.substr(0, gzip.size() / 2)));
    const auto zstd = zstd_compress(sample_tar());
    REQUIRE(zstd);
    CHECK_FALSE(scan(zstd->substr(0, zstd->size() / 2)));
}

TEST_CASE("a member or a hard link that climbs out of the root is corrupt") {
    for (const auto& entry :
         {file("../evil", ""), file("a/../../evil", ""), link_to("a", "../evil", EntryType::hard_link)}) {
        TarMaker maker;
        maker.add(entry);
        const auto layer = scan(maker.finish());
        REQUIRE_FALSE(layer);
        CHECK(layer.error().kind == ErrorKind::corrupt);
    }
}

TEST_CASE("what the source or the sink fails with comes out unchanged") {
    const auto read =
        scan_layer([](char*, std::size_t) -> Result<std::size_t> { return fail(ErrorKind::transient, "gone"); });
    REQUIRE_FALSE(read);
    CHECK(read.error().kind == ErrorKind::transient);
    const auto tar = sample_tar();
    const auto written =
        scan(tar, [](std::string_view) -> Status { return fail(ErrorKind::unavailable, "disk full"); });
    REQUIRE_FALSE(written);
    CHECK(written.error().message == "disk full");
}

TEST_CASE("the content ID does not depend on the order of the members or, if ignored, on times") {
    auto later = file("a", "1");
    later.mtime_seconds = 99;
    CHECK(plain_id({file("a", "1"), file("b", "2")}) == plain_id({file("b", "2"), later}));
}

TEST_CASE("the content ID changes with every attribute that a file system keeps") {
    const auto id = plain_id({file("a", "1")});
    CHECK(id != plain_id({file("b", "1")}));
    CHECK(id != plain_id({file("a", "2")}));
    CHECK(id != plain_id({file("a", "1", 0755)}));
    CHECK(id != plain_id({file(".wh.a", "")}));
    CHECK(id != plain_id({file("a", "1"), folder("empty")}));
    auto changed = file("a", "1");
    changed.uid = 1;
    CHECK(id != plain_id({changed}));
    changed = file("a", "1");
    changed.gid = 1;
    CHECK(id != plain_id({changed}));
    changed = file("a", "1");
    changed.xattrs["user.x"] = "y";
    CHECK(id != plain_id({changed}));
    CHECK(plain_id({link_to("l", "x")}) != plain_id({link_to("l", "y")}));
    CHECK(plain_id({link_to("l", "x")}) != plain_id({link_to("l", "x", EntryType::hard_link)}));
}

TEST_CASE("a time counts only outside of the run's own interval, whose ends belong to it") {
    const auto id_at = [](std::int64_t second) {
        auto entry = file("a", "1");
        entry.mtime_seconds = second;
        return content_id({{entry}}, TimePolicy::counted_outside_run_interval, {100, 110});
    };
    CHECK(id_at(100) == id_at(105));
    CHECK(id_at(105) == id_at(110));
    CHECK(id_at(99) != id_at(105));
    CHECK(id_at(111) != id_at(105));
    CHECK(id_at(98) != id_at(99));
}

TEST_CASE("golden: the content ID of a small layer") {
    CHECK(plain_id({}).hex() == "f1485b12d0010fa553d693841554f11ffc6473cfbf6723d15cdf8613725a8d8c");
    CHECK(plain_id({folder("etc"), file("etc/a", "x"), link_to("etc/l", "a")}).hex() ==
          "862a996f7e457829294bfcd3c99a8b9f0fd6abbb181fa7be1700594d73fc2755");
}

TEST_CASE("a table of contents comes back from its stored form") {
    const auto layer = scan(sample_tar());
    REQUIRE(layer);
    const auto bytes = encode(layer->contents);
    const auto back = decode_contents(bytes);
    REQUIRE(back);
    CHECK(back->entries.size() == layer->contents.entries.size());
    CHECK(encode(*back) == bytes);
    CHECK(content_id(*back, TimePolicy::counted_outside_run_interval) ==
          content_id(layer->contents, TimePolicy::counted_outside_run_interval));
}

TEST_CASE("golden: the stored bytes of a table of contents") {
    CHECK(sha256(encode(contents_of({folder("etc"), file("etc/a", "x"), link_to("etc/l", "a")}))).hex() ==
          "3f0c8c9029e440b842065ed5e50064c876255068e9b18ead3b0cca78bc897acd");
}

TEST_CASE("stored bytes that are cut off, have a tail, or are of another kind are corrupt") {
    const auto bytes = encode(contents_of({folder("etc"), file("etc/a", "x")}));
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        const auto back = decode_contents(std::string_view(bytes).substr(0, size));
        REQUIRE_FALSE(back);
        CHECK(back.error().kind == ErrorKind::corrupt);
    }
    CHECK_FALSE(decode_contents(bytes + "x"));
    CHECK_FALSE(decode_contents("something else"));
}

TEST_CASE("a flipped byte anywhere in stored bytes neither crashes nor takes long") {
    const auto bytes = encode(contents_of({folder("etc"), file("etc/a", "x")}));
    for (std::size_t at = 0; at < bytes.size(); ++at) {
        auto damaged = bytes;
        damaged[at] = static_cast<char>(damaged[at] ^ 0xff);
        const auto back = decode_contents(damaged);
        CHECK((back || back.error().kind == ErrorKind::corrupt));
    }
}

TEST_CASE("a whiteout removes a file, or a folder with all that is in it, and nothing beside it") {
    auto tree = tree_of({folder("a"), file("a/b", "1"), file("a.txt", "2"), file("ab", "3")});
    tree.apply({{file(".wh.a", "")}});
    CHECK_FALSE(tree.find("a"));
    CHECK_FALSE(tree.find("a/b"));
    CHECK(tree.find("a.txt"));
    CHECK(tree.find("ab"));
}

TEST_CASE("an opaque folder hides the lower layers but not its own, wherever the marker stands") {
    auto tree = tree_of({folder("a"), file("a/old", "1")});
    tree.apply({{folder("a"), file("a/new", "2"), file("a/.wh..wh..opq", "")}});
    CHECK(tree.find("a"));
    CHECK_FALSE(tree.find("a/old"));
    CHECK(tree.find("a/new"));
    CHECK_FALSE(tree.find("a/.wh..wh..opq"));
}

TEST_CASE("a whiteout does not hide what its own layer adds under that name") {
    auto tree = tree_of({file("a", "1")});
    tree.apply({{file("a", "2"), file(".wh.a", "")}});
    REQUIRE(tree.find("a"));
    CHECK(tree.find("a")->content == sha256("2"));
}

TEST_CASE("a file over a folder removes what was in the folder") {
    auto tree = tree_of({folder("a"), file("a/b", "1")});
    tree.apply({{file("a", "2")}});
    CHECK_FALSE(tree.find("a/b"));
}

TEST_CASE("links are followed along a path, inside the root; find follows none") {
    const auto tree = tree_of({folder("usr"), folder("usr/lib"), file("usr/lib/x", "1"), link_to("lib", "usr/lib"),
                               link_to("abs", "/usr/lib/x"), link_to("up", "../../../usr")});
    CHECK(tree.resolve("lib/x").value() == "usr/lib/x");
    CHECK(tree.resolve("abs").value() == "usr/lib/x");
    CHECK(tree.resolve("/up/lib/").value() == "usr/lib");
    CHECK(tree.resolve("../..").value().empty());
    CHECK(tree.find("lib")->type == EntryType::symlink);
}

TEST_CASE("links in a circle end in an error") {
    const auto tree = tree_of({link_to("a", "b"), link_to("b", "a")});
    CHECK_FALSE(tree.resolve("a"));
}

TEST_CASE("a selection by name depends on the content below it and on nothing else") {
    const auto digest = [](std::vector<LayerEntry> entries, std::string_view source) {
        return selection_digest(tree_of(std::move(entries)), source).value();
    };
    const auto id = digest({folder("a"), file("a/x", "1"), file("other", "1")}, "/a");
    CHECK(id == digest({folder("a"), file("a/x", "1"), file("ab", "7")}, "a/"));
    CHECK(id != digest({folder("a"), file("a/x", "2")}, "/a"));
    CHECK(id != digest({folder("a"), file("a/y", "1")}, "/a"));
    CHECK(id != digest({folder("a"), file("a/x", "1", 0600)}, "/a"));
    auto touched = file("a/x", "1");
    touched.mtime_seconds = 5;
    CHECK(id == digest({folder("a"), touched}, "/a"));
    CHECK(id == digest({folder("a"), file("a/x", "1"), link_to("l", "a")}, "l"));
}

TEST_CASE("a literal that is missing is not found, in BuildKit's words") {
    const auto digest = selection_digest(tree_of({file("a", "1")}), "b/../x");
    REQUIRE_FALSE(digest);
    CHECK(digest.error().kind == ErrorKind::not_found);
    CHECK(digest.error().message == "\"/x\": not found");
}

TEST_CASE("a wildcard selects by name, and without a match is the same nothing in every tree") {
    const auto one = tree_of({file("a.c", "1"), file("b.h", "2")});
    const auto two = tree_of({file("a.c", "1"), file("b.h", "3")});
    const auto renamed = tree_of({file("z.c", "1")});
    CHECK(selection_digest(one, "*.c").value() == selection_digest(two, "*.c").value());
    CHECK(selection_digest(one, "*.h").value() != selection_digest(two, "*.h").value());
    CHECK(selection_digest(one, "*.c").value() != selection_digest(renamed, "*.c").value());
    CHECK(selection_digest(one, "*.none").value() == selection_digest(renamed, "*.none").value());
}

TEST_CASE("the folder before the first wildcard has to be there") {
    const auto digest = selection_digest(tree_of({file("a/b", "1")}), "x/y/*");
    REQUIRE_FALSE(digest);
    CHECK(digest.error().kind == ErrorKind::not_found);
    CHECK(digest.error().message == "\"/x/y\": not found");
    CHECK(selection_digest(tree_of({file("a/b", "1")}), "a/*/x*"));
}

TEST_CASE("a malformed pattern is an error of the Dockerfile") {
    const auto digest = selection_digest(tree_of({file("a", "1")}), "[");
    REQUIRE_FALSE(digest);
    CHECK(digest.error().kind == ErrorKind::invalid_dockerfile);
}

TEST_SUITE_END();
