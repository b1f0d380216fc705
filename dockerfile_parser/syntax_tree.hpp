// SPDX-License-Identifier: Apache-2.0
// One node per instruction: keyword, flags and words, split by the grammar of its keyword but not yet checked.
// Meaning, flag names and argument counts are left to instruction_parser.hpp. Used inside of this folder only.
#pragma once

#include "dockerfile_parser/instructions.hpp"
#include "dockerfile_parser/source_text.hpp"
#include "dockerfile_parser/words.hpp"
#include "support/result.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace dbuild::dockerfile_parser {

struct SyntaxNode {
    std::string keyword; // as written
    std::vector<std::string> flags;
    std::vector<std::string> words;                  // ENV and LABEL: key, value, "=" or "" (legacy form), repeated
    std::vector<TextRange> flag_ranges, word_ranges; // where each of them stands in `line`
    std::vector<LinePart> parts;                     // where `line` stands in the file
    bool is_json = false;
    std::shared_ptr<const SyntaxNode> child; // ONBUILD's trigger; shared only so that nodes can be copied
    std::vector<Heredoc> heredocs;
    std::string line;                    // the joined logical line
    std::string check;                   // value of a `# check=` comment directly above
    std::vector<std::string> directives; // what follows "dbuild:" in comments directly above
    std::string comment;                 // the last comment line above
    bool has_empty_continuation = false;
    std::string source;
    SourceSpan where;
};

struct SyntaxTree {
    std::vector<SyntaxNode> nodes;
    std::string syntax, check; // of the directives, "" without
    char escape = '\\';
};

/// In:      recovered — null, or it takes the errors of single instructions, which are then left out of the tree.
/// Errors:  invalid_dockerfile with `where`.
Result<SyntaxTree> parse_syntax_tree(std::string_view text, const std::string& file_name,
                                     std::vector<Error>* recovered = nullptr);

/// One word in the file, as far as it stands on one physical line.
struct WordPlace {
    SourceSpan where;
    int length = 0; // bytes; 0: the whole instruction is meant
};

/// In: range — of the node's line.
WordPlace place_of(const SyntaxNode& node, const TextRange& range);

/// An error's message without the place that BuildKit puts before it ("dockerfile parse error on line 2: ").
std::string without_place(std::string message);

/// The S-expression BuildKit's Node.Dump prints, one line for each instruction.
std::string dump_syntax_tree(const SyntaxTree& tree);

} // namespace dbuild::dockerfile_parser
