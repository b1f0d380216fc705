// SPDX-License-Identifier: Apache-2.0
// The Dockerfile front end under libFuzzer: tests/fuzz/run.sh dockerfile FORMAT SECONDS, FORMAT being one of
//     parser       any bytes as a Dockerfile: what parse refuses, check reports, and every place lies in the file
//     expansion    a word, with each escape character, as words and as a heredoc: plain text stays as it is
//     ignore       a path, a newline, patterns: below a folder that may be skipped everything is ignored
#include "dockerfile_parser/check.hpp"
#include "dockerfile_parser/dockerfile_json.hpp"
#include "dockerfile_parser/dockerignore.hpp"
#include "dockerfile_parser/expansion.hpp"
#include "dockerfile_parser/parser.hpp"
#include "dockerfile_parser/run_mount.hpp"
#include "dockerfile_parser/syntax_tree.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

using namespace dbuild::dockerfile_parser;

namespace {

void require(bool is_true, const char* what) {
    if (is_true) return;
    std::fprintf(stderr, "violated: %s\n", what);
    std::abort();
}

void fuzz_parser(std::string_view bytes) {
    const auto report = check_dockerfile(bytes, "D");
    const auto lines = std::max<std::ptrdiff_t>(1, std::count(bytes.begin(), bytes.end(), '\n') + 1);
    for (const auto& diagnostic : report.diagnostics) {
        require(diagnostic.where.first_line >= 1 && diagnostic.where.first_line <= lines,
                "a diagnostic lies in the file");
        require(!to_text({diagnostic}, bytes).empty(), "a diagnostic can be shown");
    }
    const auto dockerfile = parse_dockerfile(bytes, "D");
    require(dockerfile || report.error_count() > 0, "what parse refuses, check reports");
    if (!dockerfile) return;
    require(!to_json(*dockerfile).empty(), "what was parsed can be printed");
    const auto tree = parse_syntax_tree(bytes, "D");
    require(tree && !dump_syntax_tree(*tree).empty(), "so can its tree");
}

void fuzz_expansion(std::string_view bytes) {
    const VariableLookup lookup = [](std::string_view name) -> std::optional<std::string> {
        if (name == "x") return "one/two.tar.gz";
        return name == "e" ? std::optional<std::string>("") : std::nullopt;
    };
    for (const char escape : {'\\', '`'}) {
        const auto word = expand_word(bytes, lookup, escape);
        const auto words = expand_words(bytes, lookup, escape);
        if (word && words && bytes.find_first_of("$'\"\\`") == bytes.npos)
            require(*word == bytes, "plain text stays as it is");
        (void)parse_run_mount(bytes, lookup, escape);
    }
    (void)expand_heredoc(bytes, lookup);
}

void fuzz_ignore(std::string_view bytes) {
    const std::string_view path = bytes.substr(0, bytes.find('\n'));
    const auto matcher = IgnoreMatcher::parse(bytes.substr(std::min(path.size() + 1, bytes.size())), "D");
    if (!matcher || path.empty() || path.starts_with('/') || path.ends_with('/') || path.find("//") != path.npos)
        return;
    bool is_skipped = false;
    for (std::size_t end = path.find('/');; end = path.find('/', end + 1)) {
        const auto part = path.substr(0, end);
        require(!is_skipped || matcher->is_ignored(part), "all below a skipped folder is ignored");
        is_skipped = is_skipped || matcher->can_skip_directory(part);
        if (end == path.npos) return;
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const char* format = std::getenv("DBUILD_FUZZ_FORMAT");
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    if (format != nullptr && std::string_view(format) == "expansion")
        fuzz_expansion(bytes);
    else if (format != nullptr && std::string_view(format) == "ignore")
        fuzz_ignore(bytes);
    else
        fuzz_parser(bytes);
    return 0;
}
