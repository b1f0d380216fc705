// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/commands/parse_command.hpp"

#include "dockerfile_parser/dockerfile_json.hpp"
#include "dockerfile_parser/parser.hpp"
#include "dockerfile_parser/syntax_tree.hpp"
#include "orchestrator/command_line/flag_parser.hpp"
#include "support/files.hpp"

#include <fmt/format.h>

namespace dbuild::orchestrator::commands {
namespace {

namespace parser = dockerfile_parser;

constexpr Flag k_flags[] = {{"format", 0, FlagValue::text}};

} // namespace

Result<int> run_parse_command(std::span<const std::string> words, const std::atomic<bool>&) {
    DBUILD_TRY_ASSIGN(const auto parsed, parse_words(k_flags, words));
    if (parsed.positionals.size() != 1)
        return fail(ErrorKind::usage, "parse takes one FILE: dbuild parse [--format json|sexpr] FILE");
    const std::string format = parsed.uses.empty() ? "json" : parsed.uses.back().value;
    if (format != "json" && format != "sexpr")
        return fail(ErrorKind::usage, fmt::format("--format: {} is not json or sexpr", format));
    const std::string& file = parsed.positionals.front();
    DBUILD_TRY_ASSIGN(const auto text, read_file(file));
    if (format == "sexpr") { // the tree alone: also of files that only the second pass refuses
        DBUILD_TRY_ASSIGN(const auto tree, parser::parse_syntax_tree(text, file));
        fmt::print("{}", parser::dump_syntax_tree(tree));
        return 0;
    }
    DBUILD_TRY_ASSIGN(const auto dockerfile, parser::parse_dockerfile(text, file));
    fmt::print("{}", parser::to_json(dockerfile));
    return 0;
}

} // namespace dbuild::orchestrator::commands
