// SPDX-License-Identifier: Apache-2.0
// Runs the tables beside this file (README.md says their form), one check for each line.
#include "dockerfile_parser/check.hpp"
#include "dockerfile_parser/dockerignore.hpp"
#include "dockerfile_parser/expansion.hpp"
#include "dockerfile_parser/syntax_tree.hpp"
#include "support/files.hpp"

#include <doctest/doctest.h>

#include <map>

using namespace dbuild;
using namespace dbuild::dockerfile_parser;

namespace {

struct Case {
    std::string section;
    std::vector<std::string> fields; // without escapes
    int line = 0;
};

std::string unescape(std::string_view text) {
    static const std::map<char, char> k_meanings = {{'n', '\n'}, {'t', '\t'}, {'r', '\r'},
                                                    {'s', ' '},  {'p', '|'},  {'\\', '\\'}};
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\') {
            out += text[i];
            continue;
        }
        REQUIRE(i + 1 < text.size());
        out += k_meanings.at(text[++i]);
    }
    return out;
}

std::string trimmed(std::string_view text) {
    const auto begin = text.find_first_not_of(' ');
    if (begin == text.npos) return "";
    return unescape(text.substr(begin, text.find_last_not_of(' ') - begin + 1));
}

std::vector<Case> read_table(const std::string& name) {
    auto text = read_file(std::filesystem::path(DBUILD_GOLDEN_DIR) / name);
    REQUIRE_MESSAGE(text, name);
    std::vector<Case> cases;
    std::string section;
    int number = 0;
    for (std::string_view rest = *text; !rest.empty();) {
        const auto line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(line.size() + 1);
        ++number;
        if (line.empty() || line.starts_with("# Rules")) continue;
        if (line.starts_with('[') && line.find(" |") == line.npos) {
            section = line.substr(1, line.size() - 2);
            continue;
        }
        Case result{section, {}, number};
        for (std::size_t begin = 0; begin <= line.size();) {
            const auto end = std::min(line.find(" |", begin), line.size());
            result.fields.push_back(trimmed(line.substr(begin, end - begin)));
            begin = end + 2;
        }
        cases.push_back(std::move(result));
    }
    return cases;
}

std::optional<std::string> variable(std::string_view name) {
    static const std::map<std::string, std::string, std::less<>> k_values = {
        {"x", "foo"}, {"e", ""}, {"p", "a/b/c"}, {"f", "one.tar.gz"}, {"d", "$$[$0]$1${n}"}};
    const auto found = k_values.find(name);
    return found == k_values.end() ? std::nullopt : std::optional(found->second);
}

/// The error without the word that BuildKit quotes before it.
std::string error_text(const Error& error, const std::string& input) {
    const auto inner = error.message.find(": ");
    const bool is_wrapped =
        error.message.starts_with("failed to process ") && inner != std::string::npos && !input.empty();
    if (!is_wrapped) return "error: " + error.message;
    return "error: " + error.message.substr(error.message.find("\": ") + 3);
}

std::string expanded(const Case& row) {
    const std::string& input = row.fields[0];
    if (row.section == "words") {
        const auto words = expand_words(input, variable, '\\');
        if (!words) return error_text(words.error(), input);
        std::string text;
        for (const auto& word : *words) text += (text.empty() ? "" : ",") + word;
        return text;
    }
    const auto result = row.section == "heredoc" ? expand_heredoc(input, variable)
                                                 : expand_word(input, variable, row.section == "backtick" ? '`' : '\\');
    return result ? *result : error_text(result.error(), input);
}

std::string parsed(const std::string& text) {
    const auto report = check_dockerfile(text, "D");
    for (const auto& diagnostic : report.diagnostics)
        if (diagnostic.severity == Diagnostic::Severity::error)
            return "error " + std::to_string(diagnostic.where.first_line) + ":" +
                   std::to_string(diagnostic.where.column + 1) + " " + diagnostic.message;
    std::string tree = dump_syntax_tree(parse_syntax_tree(text, "D").value());
    tree.pop_back();
    return tree;
}

std::string ignored(const Case& row) {
    const auto matcher = IgnoreMatcher::parse(row.fields[0], "D");
    if (!matcher) return "error " + std::to_string(matcher.error().where.value().first_line);
    return matcher->is_ignored(row.fields[1]) ? "out" : "in";
}

} // namespace

TEST_SUITE("golden") {
    TEST_CASE("expansion.txt") {
        const auto cases = read_table("expansion.txt");
        CHECK(cases.size() >= 110);
        for (const auto& row : cases) {
            CAPTURE(row.line);
            REQUIRE(row.fields.size() == 2);
            CHECK(expanded(row) == row.fields[1]);
        }
    }
    TEST_CASE("dockerfiles.txt") {
        const auto cases = read_table("dockerfiles.txt");
        CHECK(cases.size() >= 240);
        for (const auto& row : cases) {
            CAPTURE(row.line);
            REQUIRE(row.fields.size() == 2);
            CHECK(parsed(row.fields[0]) == row.fields[1]);
        }
    }
    TEST_CASE("dockerignore.txt") {
        const auto cases = read_table("dockerignore.txt");
        CHECK(cases.size() >= 60);
        for (const auto& row : cases) {
            CAPTURE(row.line);
            REQUIRE(row.fields.size() == 3);
            CHECK(ignored(row) == row.fields[2]);
        }
    }
}
