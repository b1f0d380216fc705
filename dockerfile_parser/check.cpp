// SPDX-License-Identifier: Apache-2.0
#include "dockerfile_parser/check.hpp"

#include "dockerfile_parser/expansion_check.hpp"
#include "dockerfile_parser/flag_check.hpp"
#include "dockerfile_parser/lint.hpp"
#include "dockerfile_parser/parser.hpp"
#include "dockerfile_parser/triggers.hpp"
#include "dockerfile_parser/unicode.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace dbuild::dockerfile_parser {
namespace {

using Severity = Diagnostic::Severity;

constexpr std::size_t k_most_triggers = 10'000; // that are judged: stages times triggers could be any number

class LineIndex {
public:
    explicit LineIndex(std::string_view text) {
        for (std::size_t begin = 0; begin < text.size();) {
            const auto end = std::min(text.find('\n', begin), text.size());
            lines_.push_back(text.substr(begin, end - begin));
            begin = end + 1;
        }
    }
    /// "" for a line that is not there.
    std::string_view line(int number) const {
        return number >= 1 && number <= static_cast<int>(lines_.size()) ? lines_[static_cast<std::size_t>(number) - 1]
                                                                        : "";
    }

private:
    std::vector<std::string_view> lines_;
};

bool is_word_character(char c) { return !is_space(static_cast<unsigned char>(c)); }

/// Whether the message speaks of exactly this word, not of a longer one.
bool names_word(std::string_view message, std::string_view word) {
    const auto is_part = [&](std::size_t at) {
        const auto c = at < message.size() ? static_cast<unsigned char>(message[at]) : static_cast<unsigned char>(' ');
        return is_ascii_letter(c) || is_ascii_digit(c);
    };
    for (auto at = message.find(word); at != message.npos; at = message.find(word, at + 1))
        if ((at == 0 || !is_part(at - 1)) && !is_part(at + word.size())) return true;
    return false;
}

/// Points at the longest word of the first line that the message speaks of, else at the instruction's keyword.
void point_at_word(Diagnostic& diagnostic, const LineIndex& lines) {
    const auto line = lines.line(diagnostic.where.first_line);
    std::size_t best = 0, best_size = 0;
    bool is_first = true;
    for (std::size_t begin = 0; begin < line.size();) {
        if (!is_word_character(line[begin])) {
            ++begin;
            continue;
        }
        std::size_t end = begin;
        while (end < line.size() && is_word_character(line[end])) ++end;
        auto word = line.substr(begin, end - begin);
        if (is_first) {
            best = begin;
            best_size = word.size();
        } else {
            if (word.starts_with("--")) word = word.substr(0, word.find('=')); // messages name a flag without its value
            const bool is_flag_without_dashes = word.starts_with("--") && !names_word(diagnostic.message, word);
            const auto named = is_flag_without_dashes ? word.substr(2) : word;
            const bool is_better = best == line.find_first_not_of(" \t") || word.size() > best_size;
            if (named.size() > 1 && is_better && names_word(diagnostic.message, named)) {
                best = begin;
                best_size = word.size();
            }
        }
        is_first = false;
        begin = end;
    }
    diagnostic.where.column = static_cast<int>(best);
    diagnostic.length = std::max(1, static_cast<int>(best_size));
}

Diagnostic from_error(Error error) {
    return {Severity::error, "", without_place(std::move(error.message)), error.where.value_or(SourceSpan{}), 0};
}

void find_wrong_bases(const Dockerfile& dockerfile, const StageGraph& graph, const CheckContext& context,
                      std::vector<Error>& errors) {
    if (!context.is_image_name) return;
    for (const StageNode& node : graph.stages) {
        if (node.base.kind != StageReference::Kind::image) continue;
        if (auto name = context.is_image_name(node.base.image); !name)
            errors.push_back({ErrorKind::invalid_dockerfile,
                              name.error().message,
                              {},
                              dockerfile.stages[static_cast<std::size_t>(node.index)].where});
    }
}

/// Puts the triggers of stages into the stages that are built on them.
void add_triggers_of_stages(Dockerfile& dockerfile, const StageGraph& graph, std::vector<Error>& errors) {
    std::size_t count = 0;
    for (const StageNode& node : graph.stages) {
        if (node.base.kind != StageReference::Kind::stage) continue;
        const auto triggers = triggers_of(dockerfile.stages[static_cast<std::size_t>(node.base.stage_index)]);
        count += triggers.size();
        if (count > k_most_triggers) return;
        const auto done =
            add_triggers(dockerfile.stages[static_cast<std::size_t>(node.index)], triggers, dockerfile.escape);
        if (!done && done.error().kind == ErrorKind::invalid_dockerfile) errors.push_back(done.error());
    }
}

/// Stages with the triggers that they run, and how they depend on one another. Errors: those of the graph.
Result<StageGraph> resolve_stages(Dockerfile& dockerfile, const CheckContext& context, std::vector<Error>& errors) {
    const StageGraphRequest request{"", context.build_arguments, context.platform, {}, {}, true};
    DBUILD_TRY_ASSIGN(auto graph, build_stage_graph(dockerfile, request));
    add_triggers_of_stages(dockerfile, graph, errors);
    return errors.empty() ? build_stage_graph(dockerfile, request) : graph;
}

/// Adds errors; and where there are none, warnings.
void check_tree(const SyntaxTree& tree, const std::string& file_name, const CheckContext& context,
                std::vector<Error>& errors, CheckReport& report) {
    Dockerfile dockerfile = collect_stages(tree, file_name, errors);
    report.warnings_are_errors = dockerfile.warnings_are_errors;
    if (!errors.empty()) return;
    const auto graph = resolve_stages(dockerfile, context, errors);
    if (!graph) errors.push_back(graph.error());
    if (!errors.empty()) return;
    find_wrong_bases(dockerfile, *graph, context, errors);
    find_wrong_flags(dockerfile, errors);
    find_wrong_expansions(tree, dockerfile, *graph, context, report.diagnostics);
    if (errors.empty() && report.diagnostics.empty()) report.diagnostics = lint(tree, dockerfile, *graph, context);
}

void find_all(std::string_view text, const std::string& file_name, const CheckContext& context, CheckReport& report) {
    std::vector<Error> errors;
    const auto tree = parse_syntax_tree(text, file_name, &errors);
    if (tree)
        check_tree(*tree, file_name, context, errors, report);
    else
        errors.push_back(tree.error());
    for (auto& error : errors) report.diagnostics.push_back(from_error(std::move(error)));
}

std::string one_text(const Diagnostic& diagnostic, const LineIndex& lines) {
    const auto& where = diagnostic.where;
    std::string text = fmt::format("{}:{}:{}: {}: {}{}\n", where.file, where.first_line, where.column + 1,
                                   diagnostic.severity == Severity::error ? "error" : "warning", diagnostic.message,
                                   diagnostic.rule.empty() ? "" : " [" + diagnostic.rule + "]");
    std::string_view line = lines.line(where.first_line);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) return text;
    std::string padding; // tabs stay tabs, so that the caret stands under its word
    for (const char c : line.substr(0, static_cast<std::size_t>(where.column)))
        if ((static_cast<unsigned char>(c) & 0xC0U) != 0x80U) padding += c == '\t' ? '\t' : ' ';
    const std::string marks(static_cast<std::size_t>(diagnostic.length) - 1, '~');
    return text + fmt::format("{:5} | {}\n      | {}^{}\n", where.first_line, line, padding, marks);
}

int count(const CheckReport& report, Severity severity) {
    return static_cast<int>(
        std::count_if(report.diagnostics.begin(), report.diagnostics.end(),
                      [severity](const Diagnostic& diagnostic) { return diagnostic.severity == severity; }));
}

} // namespace

int CheckReport::error_count() const { return count(*this, Severity::error); }
int CheckReport::warning_count() const { return count(*this, Severity::warning); }

CheckReport check_dockerfile(std::string_view text, const std::string& file_name, const CheckContext& context) {
    CheckReport report;
    find_all(text, file_name, context, report);
    const LineIndex lines(text);
    for (Diagnostic& diagnostic : report.diagnostics) {
        if (diagnostic.where.file.empty()) diagnostic.where = {file_name, 1, 1, 0};
        if (diagnostic.length == 0) point_at_word(diagnostic, lines);
    }
    std::stable_sort(report.diagnostics.begin(), report.diagnostics.end(),
                     [](const Diagnostic& a, const Diagnostic& b) { return a.where.first_line < b.where.first_line; });
    return report;
}

std::string to_text(const std::vector<Diagnostic>& diagnostics, std::string_view source_text) {
    const LineIndex lines(source_text);
    std::string text;
    for (const Diagnostic& diagnostic : diagnostics) text += one_text(diagnostic, lines);
    return text;
}

} // namespace dbuild::dockerfile_parser
