// SPDX-License-Identifier: Apache-2.0
#include "dockerfile_parser/triggers.hpp"

#include "dockerfile_parser/instruction_parser.hpp"
#include "dockerfile_parser/syntax_tree.hpp"
#include "dockerfile_parser/unicode.hpp"

#include <iterator>

namespace dbuild::dockerfile_parser {

Result<Instruction> parse_trigger(const std::string& text, const SourceSpan& where) {
    const auto at_from = [&where](Error error) {
        error.message = without_place(std::move(error.message)); // of the trigger's own text
        error.where = where;
        return fail(std::move(error));
    };
    auto tree = parse_syntax_tree(text, where.file);
    if (!tree) return at_from(std::move(tree).error());
    if (tree->nodes.size() != 1)
        return at_from({ErrorKind::invalid_dockerfile, "onbuild trigger should be a single expression", {}, {}});
    const SyntaxNode& node = tree->nodes.front();
    if (ascii_upper(node.keyword) == "FROM")
        return at_from({ErrorKind::invalid_dockerfile, "FROM isn't allowed as an ONBUILD trigger", {}, {}});
    auto body = parse_instruction_body(node);
    if (!body) return at_from(std::move(body).error());
    return Instruction{where,
                       ascii_upper(node.keyword),
                       std::string(trim_left(node.source)),
                       std::string(trim(node.line)),
                       std::move(*body),
                       {}, // a trigger stands below no comment
                       true};
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
        DBUILD_TRY_ASSIGN(auto instruction, parse_trigger(trigger, stage.where));
        if (escape != '\\' && trigger.find_first_of("\\`") != trigger.npos)
            return fail(ErrorKind::unsupported, "an ONBUILD trigger with escapes, below an escape directive", stage.where);
        instructions.push_back(std::move(instruction));
    }
    stage.instructions.insert(stage.instructions.begin(), std::make_move_iterator(instructions.begin()),
                              std::make_move_iterator(instructions.end()));
    return {};
}

} // namespace dbuild::dockerfile_parser
