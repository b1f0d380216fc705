// SPDX-License-Identifier: Apache-2.0
// Which layers overlayfs can hold as a folder, and which go to another executor.
#include "executors/runtime/overlay_form.hpp"
#include "tests/unit/executors/runtime/made_layer.hpp"

#include <doctest/doctest.h>

using namespace dbuild;
using namespace dbuild::cache::oci;
using namespace dbuild::executors::runtime;

namespace {

TableOfContents contents_of(const std::vector<MadeEntry>& entries) {
    TableOfContents contents;
    for (const auto& made : entries) contents.entries.push_back(made.entry);
    return contents;
}

void check_refused(const std::vector<MadeEntry>& entries, std::string_view why) {
    const auto checked = check_overlay_form(contents_of(entries));
    REQUIRE_MESSAGE(!checked, why);
    CHECK(checked.error().kind == ErrorKind::unsupported);
    CHECK_MESSAGE(checked.error().message.find(why) != std::string::npos, checked.error().message);
}

MadeEntry device(std::string path, std::uint32_t major, std::uint32_t minor) {
    auto made = special(std::move(path), EntryType::character_device);
    made.entry.device_major = major;
    made.entry.device_minor = minor;
    return made;
}

template <class Change>
MadeEntry changed(MadeEntry made, const Change& change) {
    change(made.entry);
    return made;
}

} // namespace

TEST_SUITE_BEGIN("executors/runtime/overlay_form");

TEST_CASE("a whiteout has the name that it hides; the others keep theirs") {
    const auto contents = contents_of({file(".wh.a"), folder("d"), file("d/.wh..wh..opq"), file("d/.wh.b"), file("c")});
    const auto index = check_overlay_form(contents);
    REQUIRE(index);
    std::string paths;
    for (const auto& [path, entry] : *index) paths += path + " ";
    CHECK(paths == "a c d d/.wh..wh..opq d/b ");
}

TEST_CASE("of two entries for one folder the last one counts, also after what is in it") {
    auto second = folder("d");
    second.entry.mode = 0700;
    const auto contents = contents_of({folder("d"), file("d/f"), second, folder(""), folder("")});
    const auto index = check_overlay_form(contents);
    REQUIRE(index);
    CHECK(index->at("d") == &contents.entries[2]);
    CHECK(index->size() == 3);
}

TEST_CASE("an entry needs a parent folder with attributes of its own") {
    check_refused({file("d/f")}, "layer entry /d/f: its folder has no entry in this layer");
    check_refused({folder("d"), file("d/e/f")}, "/d/e/f: its folder has no entry");
    check_refused({file("d/.wh.f")}, "/d/f: its folder has no entry");
    check_refused({file("d/.wh..wh..opq")}, "its folder has no entry");
    check_refused({link_to("d", "/etc"), file("d/f")}, "/d/f: /d is no folder");
    check_refused({file("d/f"), file("d")}, "/d/f: /d is no folder");
    check_refused({file(".wh.d"), file("d/f")}, "/d/f: /d is no folder");
    check_refused({special("", EntryType::file)}, "the root is no folder");
}

TEST_CASE("one path has one entry") {
    check_refused({file("f"), file("f")}, "layer entry /f: two entries for one path");
    check_refused({file("f"), folder("f")}, "two entries");
    check_refused({folder("f"), link_to("f", "x")}, "two entries");
    check_refused({file(".wh.f"), file("f")}, "two entries");
    check_refused({folder("f"), file(".wh.f")}, "two entries");
}

TEST_CASE("a hard link names a file before it, with its attributes") {
    CHECK(check_overlay_form(contents_of({file("f"), hard_link("g", "f"), hard_link("h", "g")})));
    check_refused({hard_link("g", "f")}, "layer entry /g: a hard link to /f, which is no file before it");
    check_refused({hard_link("g", "f"), file("f")}, "no file before it");
    check_refused({hard_link("g", "g")}, "no file before it");
    check_refused({folder("f"), hard_link("g", "f")}, "no file before it");
    check_refused({file(".wh.f"), hard_link("g", "f")}, "no file before it");
    for (const auto& other : {changed(file("f"), [](auto& entry) { entry.mode = 0600; }),
                              changed(file("f"), [](auto& entry) { entry.uid = 1; }),
                              changed(file("f"), [](auto& entry) { entry.gid = 1; }),
                              changed(file("f"), [](auto& entry) { entry.mtime_seconds = 1; })})
        check_refused({other, hard_link("g", "f")}, "a hard link with other attributes than /f");
}

TEST_CASE("names with .wh. that are no whiteouts are refused") {
    for (const auto* name : {".wh.", ".wh..", ".wh...", ".wh..wh.plnk", ".wh..wh..opq"}) // the last one: of the root
        check_refused({file(name)}, "no whiteout");
    check_refused({file(".wh.f", "bytes")}, "no whiteout");
    check_refused({folder(".wh.f")}, "no whiteout");
    check_refused({file("f"), hard_link(".wh.g", "f")}, "no whiteout");
}

TEST_CASE("what would mean something else on overlayfs or Linux is refused") {
    CHECK(check_overlay_form(contents_of({device("null", 1, 3)})));
    check_refused({device("zero", 0, 0)}, "takes for a whiteout");
    check_refused({device("d", 4096, 0)}, "a device number");
    check_refused({device("d", 0, 1U << 20)}, "a device number");
    check_refused({changed(file("f"), [](auto& entry) { entry.uid = 0xffffffff; })}, "an owner");
    check_refused({changed(file("f"), [](auto& entry) { entry.gid = std::uint64_t{1} << 32; })}, "an owner");
    check_refused({changed(folder("d"), [](auto& entry) { entry.xattrs["trusted.overlay.opaque"] = "y"; })},
                  "layer entry /d: the extended attribute trusted.overlay.opaque");
    check_refused({link_to("l", "")}, "a link to nothing");
}

TEST_SUITE_END();
