// SPDX-License-Identifier: Apache-2.0
// Collects the instructions in stages, see parser.hpp.
#include "dockerfile_parser/parser.hpp"

#include "dockerfile_parser/instruction_parser.hpp"
#include "dockerfile_parser/lint_settings.hpp"
#include "dockerfile_parser/syntax_tree.hpp"
#include "dockerfile_parser/unicode.hpp"

#include <fmt/format.h>

#include <utility>

namespace dbuild::dockerfile_parser {

namespace {

Error locate(Error error, const SyntaxNode& node) {
    if (error.kind == ErrorKind::invalid_dockerfile)
        error.message = fmt::format("dockerfile parse error on line {}: {}", node.where.first_line, error.message);
    error.where = node.where;
    return error;
}

Status add_stage(Dockerfile& dockerfile, const SyntaxNode& node) {
    auto from = parse_from(node);
    Stage stage;
    stage.index = static_cast<int>(dockerfile.stages.size());
    stage.where = node.where;
    stage.text = trim(node.line);
    if (from) stage.from = std::move(*from);
    dockerfile.stages.push_back(std::move(stage));
    if (!from) return fail(locate(std::move(from).error(), node));
    return {};
}

Status add_instruction(Dockerfile& dockerfile, const SyntaxNode& node, StepDirectives directives) {
    auto body = parse_instruction_body(node);
    if (!body) return fail(locate(std::move(body).error(), node));
    Instruction instruction{node.where,       ascii_upper(node.keyword), node.source, std::string(trim(node.line)),
                            std::move(*body), std::move(directives),     false};
    if (!dockerfile.stages.empty()) {
        dockerfile.stages.back().instructions.push_back(std::move(instruction));
    } else if (std::holds_alternative<ArgInstruction>(instruction.body)) {
        dockerfile.global_args.push_back(std::move(instruction));
    } else {
        return fail(locate({ErrorKind::invalid_dockerfile, "no build stage in current context", {}, {}}, node));
    }
    return {};
}

} // namespace

Dockerfile collect_stages(const SyntaxTree& tree, std::string file_name, std::vector<Error>& errors) {
    Dockerfile dockerfile;
    dockerfile.file_name = std::move(file_name);
    dockerfile.syntax = tree.syntax;
    dockerfile.escape = tree.escape;
    if (auto settings = LintSettings::parse(tree.check)) {
        dockerfile.warnings_are_errors = settings->warnings_are_errors;
    } else {
        settings.error().where = SourceSpan{dockerfile.file_name, 1, 1, 0};
        errors.push_back(std::move(settings).error());
    }
    for (const SyntaxNode& node : tree.nodes) {
        const std::string keyword = ascii_upper(node.keyword);
        std::vector<std::string> problems;
        auto directives = parse_step_directives(node.directives, keyword, problems);
        for (std::string& problem : problems) dockerfile.directive_warnings.push_back({std::move(problem), node.where});
        Status done =
            keyword == "FROM" ? add_stage(dockerfile, node) : add_instruction(dockerfile, node, std::move(directives));
        if (!done) errors.push_back(std::move(done).error());
    }
    if (dockerfile.stages.empty() && errors.empty())
        errors.push_back(
            {ErrorKind::invalid_dockerfile, "dockerfile contains no stages to build", {}, tree.nodes.back().where});
    return dockerfile;
}

Result<Dockerfile> parse_dockerfile(std::string_view text, std::string file_name) {
    DBUILD_TRY_ASSIGN(const SyntaxTree tree, parse_syntax_tree(text, file_name));
    std::vector<Error> errors;
    Dockerfile dockerfile = collect_stages(tree, std::move(file_name), errors);
    if (!errors.empty()) return fail(std::move(errors.front()));
    return dockerfile;
}

} // namespace dbuild::dockerfile_parser
