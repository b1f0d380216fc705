// SPDX-License-Identifier: Apache-2.0
#include "dockerfile_parser/triggers.hpp"

#include "dockerfile_parser/instruction_parser.hpp"
#include "dockerfile_parser/syntax_tree.hpp"
#include "dockerfile_parser/unicode.hpp"

#include <algorithm>
#include <iterator>
#include <optional>

namespace dbuild::dockerfile_parser {
namespace {

/// A place at a FROM for an error of the trigger's own text.
tl::unexpected<Error> fail_at(Error error, const SourceSpan& where) {
    error.message = without_place(std::move(error.message));
    error.where = where;
    return fail(std::move(error));
}

Result<SyntaxNode> parse_node(const std::string& text, const SourceSpan& where) {
    auto tree = parse_syntax_tree(text, where.file);
    if (!tree) return fail_at(std::move(tree).error(), where);
    if (tree->nodes.size() != 1)
        return fail(ErrorKind::invalid_dockerfile, "onbuild trigger should be a single expression", where);
    if (ascii_upper(tree->nodes.front().keyword) == "FROM")
        return fail(ErrorKind::invalid_dockerfile, "FROM isn't allowed as an ONBUILD trigger", where);
    return std::move(tree->nodes.front());
}

bool is_equal(const SyntaxNode& a, const SyntaxNode& b) {
    const auto is_equal_heredoc = [](const Heredoc& one, const Heredoc& other) {
        return one.name == other.name && one.body == other.body && one.expands == other.expands;
    };
    return a.flags == b.flags && a.words == b.words && a.is_json == b.is_json &&
           std::equal(a.heredocs.begin(), a.heredocs.end(), b.heredocs.begin(), b.heredocs.end(), is_equal_heredoc);
}

/// The trigger as a Dockerfile with another escape character has to write it: flags lose their escapes when they are
/// read, and get the other ones here; what follows keeps its own until it is expanded, which is the Dockerfile's
/// business. Nothing where that would be read as something else: words that only a `\` holds together, an escape at the
/// end.
std::optional<std::string> rewritten(const SyntaxNode& node, char escape) {
    std::string text = node.keyword;
    for (const std::string& flag : node.flags) {
        text += ' ';
        for (const char c : flag) {
            if (c == escape || c == '\'' || c == '"' || is_space(static_cast<unsigned char>(c))) text += escape;
            text += c;
        }
    }
    text += ' ' + split_command(node.line, '\\').rest;
    if (!node.heredocs.empty()) text += node.source.substr(std::min(node.source.find('\n'), node.source.size()));
    const auto tree = parse_syntax_tree(std::string("# escape=") + escape + "\n" + text, {});
    if (!tree || tree->nodes.size() != 1 || !is_equal(tree->nodes.front(), node)) return std::nullopt;
    return text;
}

/// In: node — without errors of its grammar; text — as it stands in a Dockerfile.
Result<Instruction> to_instruction(const SyntaxNode& node, std::string text, const SourceSpan& where) {
    auto body = parse_instruction_body(node);
    if (!body) return fail_at(std::move(body).error(), where);
    return Instruction{
        where, ascii_upper(node.keyword), std::move(text), std::string(trim(node.line)), std::move(*body),
        {}, // a trigger stands below no comment
        true};
}

} // namespace

Result<Instruction> parse_trigger(const std::string& text, char escape, const SourceSpan& where) {
    DBUILD_TRY_ASSIGN(const SyntaxNode node, parse_node(text, where));
    if (escape == '\\') return to_instruction(node, std::string(trim_left(node.source)), where);
    DBUILD_TRY_ASSIGN(auto instruction, to_instruction(node, {}, where));
    auto source = rewritten(node, escape);
    if (!source)
        return fail(ErrorKind::unsupported, "an ONBUILD trigger that cannot be written below the escape directive",
                    where);
    instruction.source = std::move(*source);
    return instruction;
}

std::vector<std::string> triggers_of(const Stage& stage) {
    std::vector<std::string> triggers;
    for (const Instruction& instruction : stage.instructions)
        if (const auto* onbuild = std::get_if<OnbuildInstruction>(&instruction.body)) triggers.push_back(onbuild->text);
    return triggers;
}

Status add_triggers(Stage& stage, const std::vector<std::string>& triggers, char escape) {
    std::vector<Instruction> instructions;
    for (const std::string& trigger : triggers) {
        DBUILD_TRY_ASSIGN(auto instruction, parse_trigger(trigger, escape, stage.where));
        instructions.push_back(std::move(instruction));
    }
    stage.instructions.insert(stage.instructions.begin(), std::make_move_iterator(instructions.begin()),
                              std::make_move_iterator(instructions.end()));
    return {};
}

} // namespace dbuild::dockerfile_parser
