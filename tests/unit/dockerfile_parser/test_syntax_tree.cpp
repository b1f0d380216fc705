// SPDX-License-Identifier: Apache-2.0
// Nodes against BuildKit's own data files, read from the shared folder, and the heredoc rules they do not cover.
#include "dockerfile_parser/parser.hpp"
#include "dockerfile_parser/syntax_tree.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

using namespace dbuild;
using namespace dbuild::dockerfile_parser;

namespace {

std::filesystem::path corpus(std::string_view part) {
    return std::filesystem::path(DBUILD_SHARED_DIR) / "corpus" / "buildkit-parser" / part;
}

std::string read(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    REQUIRE_MESSAGE(file, path.string());
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

std::string dump(std::string_view text) {
    const auto tree = parse_syntax_tree(text, "Dockerfile");
    return tree ? dump_syntax_tree(*tree) : "error: " + tree.error().message;
}

SyntaxNode first_node(std::string_view text) {
    auto tree = parse_syntax_tree(text, "Dockerfile");
    REQUIRE(tree);
    return tree->nodes.front();
}

// What the second pass says of a data file that only the syntax accepts; "" for the others, which are Dockerfiles.
std::string refusal_of(const std::string& name) {
    const std::string no_stage = "dockerfile parse error on line 1: no build stage in current context";
    if (name.starts_with("jeztah-invalid-json") || name == "json") return no_stage;
    if (name == "flags") return "dockerfile parse error on line 3: unknown flag: --user";
    if (name == "health") return "dockerfile parse error on line 4: HEALTHCHECK requires at least one argument";
    return "";
}

} // namespace

TEST_SUITE("dockerfile_parser/syntax_tree") {
    TEST_CASE("every data file of BuildKit gives the tree that BuildKit prints") {
        REQUIRE_MESSAGE(std::filesystem::is_directory(corpus("testfiles")), corpus("testfiles").string());
        int count = 0;
        for (const auto& entry : std::filesystem::directory_iterator(corpus("testfiles"))) {
            INFO(entry.path().string());
            std::string wanted = read(entry.path() / "result");
            while (wanted.ends_with('\n')) wanted.pop_back();
            CHECK(dump(read(entry.path() / "Dockerfile")) == wanted + "\n");
            ++count;
        }
        CHECK(count >= 33);
    }
    TEST_CASE("every complete data file of BuildKit is a Dockerfile, and the others are refused") {
        REQUIRE(std::filesystem::is_directory(corpus("testfiles")));
        int accepted = 0;
        for (const auto& entry : std::filesystem::directory_iterator(corpus("testfiles"))) {
            const auto result = parse_dockerfile(read(entry.path() / "Dockerfile"), "Dockerfile");
            INFO(entry.path().string());
            CHECK((result ? "" : result.error().message) == refusal_of(entry.path().filename().string()));
            accepted += result.has_value();
        }
        CHECK(accepted == 25);
    }
    TEST_CASE("negative data files name the line of their error") {
        const std::pair<const char*, int> rows[] = {{"env_no_value", 3}, {"shykes-nested-json", 1}};
        for (const auto& [name, line] : rows) {
            const auto result =
                parse_dockerfile(read(corpus("testfiles-negative") / name / "Dockerfile"), "Dockerfile");
            REQUIRE_FALSE(result);
            CHECK(result.error().where->first_line == line);
        }
    }
    TEST_CASE("every negative data file of BuildKit is refused with a place") {
        int count = 0;
        REQUIRE(std::filesystem::is_directory(corpus("testfiles-negative")));
        for (const auto& entry : std::filesystem::directory_iterator(corpus("testfiles-negative"))) {
            INFO(entry.path().string());
            const auto result = parse_syntax_tree(read(entry.path() / "Dockerfile"), "Dockerfile");
            REQUIRE_FALSE(result);
            CHECK(result.error().kind == ErrorKind::invalid_dockerfile);
            CHECK(result.error().where);
            ++count;
        }
        CHECK(count >= 4);
    }
    TEST_CASE("line numbers span continuations, comments and blank lines in between") {
        const auto tree = parse_syntax_tree(read(corpus("testfile-line") / "Dockerfile"), "Dockerfile");
        REQUIRE(tree);
        REQUIRE(tree->nodes.size() == 3);
        const auto lines = [&](std::size_t i) {
            return std::pair(tree->nodes[i].where.first_line, tree->nodes[i].where.last_line);
        };
        CHECK(lines(0) == std::pair(5, 5));
        CHECK(lines(1) == std::pair(11, 12));
        CHECK(lines(2) == std::pair(17, 31));
    }
    TEST_CASE("a heredoc body is raw and ends at a line that is exactly its name") {
        const auto node = first_node("RUN <<EOF cat\n# no comment\n\na \\\nEOF \nEOF\n");
        REQUIRE(node.heredocs.size() == 1);
        CHECK(node.heredocs[0].name == "EOF");
        CHECK(node.heredocs[0].body == "# no comment\n\na \\\nEOF \n");
        CHECK(node.heredocs[0].expands);
        CHECK(node.where.last_line == 6);
        CHECK(node.line == "RUN <<EOF cat");
    }
    TEST_CASE("several heredocs of a line are read in order, and CRLF stays in bodies") {
        const auto node = first_node("COPY <<a <<b /d/\r\n1\r\na\r\n2\r\nb\r\n");
        REQUIRE(node.heredocs.size() == 2);
        CHECK(node.heredocs[0].body == "1\r\n");
        CHECK(node.heredocs[1].body == "2\r\n");
    }
    TEST_CASE("a dash strips leading tabs of the body and before the terminator") {
        const auto node = first_node("RUN <<-EOF\n\t\ta\n\t b\n  c\n\tEOF\n");
        REQUIRE(node.heredocs.size() == 1);
        CHECK(node.heredocs[0].strips_tabs);
        CHECK(node.heredocs[0].body == "a\n b\n  c\n");
    }
    TEST_CASE("any quoting of the name turns expansion off and is removed") {
        for (const char* line : {"<<'EOF'", "<<\"EOF\"", "<<E\"O\"F", "<<E\\OF"}) {
            const auto node = first_node(std::string("RUN ") + line + "\nx\nEOF\n");
            REQUIRE_MESSAGE(node.heredocs.size() == 1, line);
            CHECK(node.heredocs[0].name == "EOF");
            CHECK_FALSE(node.heredocs[0].expands);
        }
    }
    TEST_CASE("a file descriptor and blanks before the name are accepted") {
        CHECK(first_node("RUN 3<<EOF cat\nx\nEOF\n").heredocs.size() == 1);
        CHECK(first_node("RUN << EOF\nx\nEOF\n").heredocs.size() == 1);
    }
    TEST_CASE("what only looks like a heredoc is none") {
        for (const char* line : {"RUN cat <<<word", "RUN echo \"<<EOF\"", "RUN echo a<<EOF", "RUN <<- EOF",
                                 "CMD cat <<EOF", "RUN [\"a\", \"<<EOF\"]", "ENV a=<<EOF"})
            CHECK_MESSAGE(first_node(line).heredocs.empty(), line);
    }
    TEST_CASE("a heredoc behind ONBUILD is read with it") {
        const auto node = first_node("ONBUILD RUN <<EOF\nx\nEOF\n");
        REQUIRE(node.heredocs.size() == 1);
        CHECK(node.heredocs[0].body == "x\n");
    }
    TEST_CASE("a heredoc without its end is an error over all its lines") {
        const auto result = parse_syntax_tree("FROM a\nRUN <<EOF\nx\n", "Dockerfile");
        REQUIRE_FALSE(result);
        CHECK(result.error().message.ends_with("unterminated heredoc"));
        CHECK(result.error().where == SourceSpan{"Dockerfile", 2, 3, 0});
    }
}
