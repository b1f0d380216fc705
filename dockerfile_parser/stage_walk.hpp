// SPDX-License-Identifier: Apache-2.0
// What the words of each instruction become, as far as that is known without building: the walk that the checks of
// variables and most lint rules share. Which instruction expands what: reference/buildkit-semantics.md §2.1.
// Used inside of this folder only.
#pragma once

#include "dockerfile_parser/check.hpp"
#include "dockerfile_parser/stage_graph.hpp"
#include "dockerfile_parser/syntax_tree.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dbuild::dockerfile_parser {

struct WalkedInstruction {
    const SyntaxNode& node;  // of a trigger: of its own text
    std::string keyword;     // upper case
    WordPlace keyword_place; // of a trigger, as of all its words: the FROM that runs it
    bool is_trigger = false;
};

/// One text that an instruction expands: a word or a part of it, the value of a flag or of a mount, a heredoc's body.
struct WalkedWord {
    /// name and value: of ENV and LABEL, value also of ARG; source: of COPY and ADD.
    enum class Role { name, value, source, other };
    Role role = Role::other;
    WordPlace place;                    // of a heredoc the instruction's
    std::optional<std::string> value;   // with the given build arguments; nothing where it is wrong or nobody knows it
    bool is_certain = true;             // no other build argument can make it another one
    std::optional<std::string> error;   // what is wrong with it in every build
    std::vector<std::string> undefined; // the variables that no instruction gave a value, each once
    const std::vector<std::string>* valued = nullptr; // those that have one here, in order
    bool knows_all_variables = false;                 // no image below can define more
};

class StageVisitor {
public:
    virtual ~StageVisitor() = default;
    /// Every stage once, after the one that it is based on.
    virtual void begin_stage(const StageNode& stage) = 0;
    virtual void begin_instruction(const WalkedInstruction& instruction) = 0;
    /// In: word — borrowed for the call. Of EXPOSE each port is one.
    virtual void visit_word(const WalkedInstruction& instruction, const WalkedWord& word) = 0;
};

/// The instructions of all stages, each stage's in order, those of triggers before its own.
/// In:      tree, dockerfile, graph — of one text without errors.
/// Cost:    linear: one table of variables, from which a stage's are taken when all that is based on it was seen.
void walk_stages(const SyntaxTree& tree, const Dockerfile& dockerfile, const StageGraph& graph,
                 const CheckContext& context, StageVisitor& visitor);

/// Where the keyword stands.
WordPlace keyword_place(const SyntaxNode& node);

} // namespace dbuild::dockerfile_parser
