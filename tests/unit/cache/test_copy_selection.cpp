// SPDX-License-Identifier: Apache-2.0
// COPY --parents and --exclude, with the cases of BuildKit's own tests: no engine of the distribution knows these
// flags.
#include "cache/oci/copy_selection.hpp"

#include <doctest/doctest.h>

#include <set>

using namespace dbuild;
using namespace dbuild::cache::oci;

namespace {

/// "a/" is a folder, "a->b" a link, anything else a file.
FileTree tree_of(std::initializer_list<std::string_view> names) {
    TableOfContents contents;
    for (auto name : names) {
        LayerEntry entry;
        entry.mode = 0640;
        if (const auto arrow = name.find("->"); arrow != name.npos) {
            entry.type = EntryType::symlink;
            entry.link_target = name.substr(arrow + 2);
            name = name.substr(0, arrow);
        } else if (name.ends_with('/')) {
            entry.type = EntryType::directory;
            name.remove_suffix(1);
        } else {
            entry.content = sha256(name);
        }
        entry.path = name;
        contents.entries.push_back(std::move(entry));
    }
    FileTree tree;
    tree.apply(contents);
    return tree;
}

const FileTree k_tree = tree_of({"test/",
                                 "test/a/",
                                 "test/a/b/",
                                 "test/a/b/c/",
                                 "test/a/b/c/d/",
                                 "test/a/b/c/d/foo",
                                 "test/a/b/c/d/e/",
                                 "test/a/b/c/d/e/bay",
                                 "test/a/b2/",
                                 "test/a/b2/c/",
                                 "test/a/b2/c/d/",
                                 "test/a/b2/c/d/e/",
                                 "test/a/b2/c/d/e/bar",
                                 "test/a/b/c2/",
                                 "test/a/b/c2/d/",
                                 "test/a/b/c2/d/e/",
                                 "test/a/b/c2/d/e/baz",
                                 "x.md",
                                 "x.txt",
                                 "link->test/a",
                                 "#odd"});

Result<std::vector<SelectedTree>> select_from(const FileTree& tree, std::string_view source, const CopyFilter& filter) {
    return select_trees(source_tree_of(tree), source, filter, 7);
}

/// What is copied, below the source, sorted; a folder that is only on the way in brackets.
std::string copied(std::string_view source, const CopyFilter& filter) {
    const auto trees = select_from(k_tree, source, filter);
    REQUIRE_MESSAGE(trees, (trees ? "" : trees.error().message));
    std::multiset<std::string> names;
    for (const auto& taken : *trees) {
        const auto& top = taken.items.front().entry.path;
        for (std::size_t i = 1; i < taken.items.size(); ++i) {
            const auto& item = taken.items[i];
            const auto name = item.entry.path.substr(top.empty() ? 0 : top.size() + 1);
            names.insert(item.is_on_the_way ? "(" + name + ")" : name);
        }
    }
    std::string text;
    for (const auto& name : names) text += (text.empty() ? "" : " ") + name;
    return text;
}
std::string with_parents(std::string_view source) { return copied(source, {true, {}}); }
std::string without(std::string_view source, std::vector<std::string> patterns) {
    return copied(source, {false, std::move(patterns)});
}

} // namespace

TEST_SUITE_BEGIN("cache/oci/copy_selection");

TEST_CASE("--parents keeps the folders of a source, which only lead to it") {
    CHECK(with_parents("/test/a/b/c/d/foo") ==
          "(test) (test/a) (test/a/b) (test/a/b/c) (test/a/b/c/d) test/a/b/c/d/foo");
    CHECK(with_parents("./x.md") == "x.md");
}

TEST_CASE("--parents with a folder copies all of it") {
    CHECK(with_parents("test/a/b2/.") ==
          "(test) (test/a) test/a/b2 test/a/b2/c test/a/b2/c/d test/a/b2/c/d/e test/a/b2/c/d/e/bar");
}

TEST_CASE("what stands before the first /./ is not kept") {
    CHECK(with_parents("/test/a/b/./c/d/e") == "(c) (c/d) c/d/e c/d/e/bay");
    CHECK(with_parents("/test/a/./b2/./c/d/e") == "(b2) (b2/c) (b2/c/d) b2/c/d/e b2/c/d/e/bar");
}

TEST_CASE("--parents knows ** and wildcards on both sides of the pivot") {
    CHECK(with_parents("/test/a/./*/c/**/ba*") ==
          "(b) (b/c) (b/c/d) (b/c/d/e) (b2) (b2/c) (b2/c/d) (b2/c/d/e) b/c/d/e/bay b2/c/d/e/bar");
    CHECK(with_parents("/test/a/b*/./c/**/e") == "(c) (c) (c/d) (c/d) c/d/e c/d/e c/d/e/bar c/d/e/bay");
    CHECK(with_parents("nothing*") == "");
}

TEST_CASE("--parents copies a link that is named as a link, and does not walk through it") {
    CHECK(with_parents("link") == "link");
    CHECK(with_parents("link/*") == "");
}

TEST_CASE("a literal source that is missing is an error also with --parents") {
    for (const auto* source : {"nothing", "test/nothing", "/test/a/./nothing"}) {
        CAPTURE(source);
        const auto trees = select_from(k_tree, source, {true, {}});
        REQUIRE(!trees);
        CHECK(trees.error().kind == ErrorKind::not_found);
    }
}

TEST_CASE("--exclude leaves out what its patterns match below the source") {
    CHECK(without(".", {"test"}) == "#odd link x.md x.txt");
    CHECK(without(".", {"test", "*.md", "#*"}) == "link x.txt");
    CHECK(without("test/a/b", {"**/e", "c2"}) == "c c/d c/d/foo");
}

TEST_CASE("an exception of --exclude brings its folders along") {
    CHECK(without("test/a/b", {"c", "c2", "!c/d/foo"}) == "(c) (c/d) c/d/foo");
}

TEST_CASE("--exclude never leaves out the source itself, nor anything by a pattern with a leading slash") {
    const auto trees = select_from(k_tree, "x.md", {false, {"*.md", "**"}});
    REQUIRE(trees);
    REQUIRE(trees->size() == 1);
    CHECK(trees->front().items.size() == 1);
    CHECK(without("test/a/b2/c", {"/d"}) == "d d/e d/e/bar");
}

TEST_CASE("a malformed pattern is an error") {
    const auto trees = select_from(k_tree, ".", {false, {"[a"}});
    REQUIRE(!trees);
    CHECK(trees.error().kind == ErrorKind::invalid_dockerfile);
}

TEST_CASE("the digest of a selection is that of what is copied and of nothing else") {
    const auto digest = [](const FileTree& tree) {
        return selection_digest(select_from(tree, "d", {false, {"*.log"}}).value(), "d");
    };
    const auto before = digest(tree_of({"d/", "d/a", "d/b.log"}));
    CHECK(digest(tree_of({"d/", "d/a", "d/c.log", "other"})) == before);
    CHECK(digest(tree_of({"d/", "d/a", "d/b"})) != before);
}

TEST_CASE("different filters have different texts") {
    std::set<std::string> texts;
    for (const auto& filter : {CopyFilter{}, CopyFilter{true, {}}, CopyFilter{false, {"a", "b"}},
                               CopyFilter{false, {"a"}}, CopyFilter{true, {"a"}}, CopyFilter{false, {"b", "a"}}})
        texts.insert(filter.to_string());
    CHECK(texts.size() == 6);
    CHECK(CopyFilter{}.to_string().empty());
}

TEST_SUITE_END();
