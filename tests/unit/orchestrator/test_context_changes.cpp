// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/bake/context_changes.hpp"

#include "support/files.hpp"

#include <doctest/doctest.h>

using namespace dbuild;
using namespace dbuild::orchestrator;
namespace fs = std::filesystem;

namespace {

struct Context {
    TempDir folder = TempDir::create("dbuild-test-context").value();
    fs::path root = fs::canonical(folder.path());

    std::optional<std::string> find(const std::vector<std::string>& changed, std::string_view source,
                                    const std::string& ignored = "") {
        std::vector<std::string> absolute;
        for (const auto& path : changed) absolute.push_back(path.starts_with('/') ? path : (root / path).string());
        return ContextChanges::of(root, absolute, ignored, ".dockerignore").value().find(source);
    }
};

} // namespace

TEST_SUITE("orchestrator/context_changes") {
    TEST_CASE("a source changes with what is at it, below it, or on the way to it") {
        Context context;
        CHECK(context.find({"src/a.c"}, "src") == "src/a.c");
        CHECK(context.find({"src/a.c"}, "/src/") == "src/a.c");
        CHECK(context.find({"src/a.c"}, ".") == "src/a.c");
        CHECK(context.find({"src/a.c"}, "./src/a.c") == "src/a.c");
        CHECK(context.find({"src"}, "src/a.c") == "src"); // a file or a link became a folder
        CHECK(!context.find({"src/a.c"}, "src/b.c"));
        CHECK(!context.find({"src2/a.c"}, "src"));
        CHECK(!context.find({}, "."));
    }
    TEST_CASE("what lies outside of the context, or is ignored, is no change") {
        Context context;
        CHECK(!context.find({"/elsewhere/a", context.root.string() + "-other/a"}, "."));
        CHECK(!context.find({"build/x.o", "a.log"}, ".", "build\n*.log\n"));
        CHECK(context.find({"build/keep"}, ".", "build\n!build/keep\n") == "build/keep");
    }
    TEST_CASE("a pattern selects names and what is below them") {
        Context context;
        CHECK(context.find({"src/a.c"}, "src/*.c") == "src/a.c");
        CHECK(context.find({"s1/deep/x"}, "s?") == "s1/deep/x");
        CHECK(!context.find({"src/a.h"}, "src/*.c"));
        CHECK(!context.find({"src/sub/a.c"}, "src/*.c"));
    }
    TEST_CASE("links are followed, also those that a pattern finds") {
        Context context;
        fs::create_directories(context.root / "real" / "deep");
        fs::create_directory_symlink("real", context.root / "link");
        fs::create_symlink("../outside", context.root / "up");
        fs::create_symlink("loop", context.root / "loop");
        CHECK(context.find({"real/deep/x"}, "link/deep") == "real/deep/x");
        CHECK(context.find({"real/deep/x"}, "l*k") == "real/deep/x");
        CHECK(context.find({"link"}, "link/deep") == "link");
        CHECK(!context.find({"other"}, "link/deep"));
        CHECK(context.find({"outside"}, "up") == "outside"); // above the root is the root, as for a builder
        CHECK(context.find({"other"}, "loop"));              // who knows
    }
}
