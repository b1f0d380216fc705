// SPDX-License-Identifier: Apache-2.0
// Logical lines to nodes, see syntax_tree.hpp. Rules: moby/buildkit
// frontend/dockerfile/parser/{parser,line_parsers}.go.
#include "dockerfile_parser/syntax_tree.hpp"

#include "dockerfile_parser/source_text.hpp"
#include "dockerfile_parser/unicode.hpp"
#include "dockerfile_parser/words.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

namespace dbuild::dockerfile_parser {

namespace {

enum class Grammar { json_or_line, json_or_blanks, blanks, pairs, quoted_words, line, healthcheck, onbuild };

const std::map<std::string, Grammar, std::less<>>& grammars() {
    static const std::map<std::string, Grammar, std::less<>> k_grammars = {
        {"add", Grammar::json_or_blanks},      {"arg", Grammar::quoted_words},
        {"cmd", Grammar::json_or_line},        {"copy", Grammar::json_or_blanks},
        {"entrypoint", Grammar::json_or_line}, {"env", Grammar::pairs},
        {"expose", Grammar::blanks},           {"from", Grammar::blanks},
        {"healthcheck", Grammar::healthcheck}, {"label", Grammar::pairs},
        {"maintainer", Grammar::line},         {"onbuild", Grammar::onbuild},
        {"run", Grammar::json_or_line},        {"shell", Grammar::json_or_line},
        {"stopsignal", Grammar::line},         {"user", Grammar::line},
        {"volume", Grammar::json_or_blanks},   {"workdir", Grammar::line},
    };
    return k_grammars;
}

Result<SyntaxNode> parse_node(std::string_view line, char escape);

Result<std::vector<std::string>> parse_pairs(std::string_view rest, std::string_view keyword, char escape,
                                             std::vector<TextRange>& ranges) {
    std::vector<TextRange> whole;
    const std::vector<std::string> words = split_quoted_words(rest, escape, whole);
    std::vector<std::string> result;
    if (words.empty()) return result;
    if (words[0].find('=') == std::string::npos) {
        const std::size_t end = rest.find_first_of("\t\v\f\r ");
        if (end == std::string_view::npos)
            return fail(ErrorKind::invalid_dockerfile, fmt::format("{} must have two arguments", ascii_upper(keyword)));
        std::string_view value = rest.substr(end);
        value.remove_prefix(std::min(value.find_first_not_of("\t\v\f\r "), value.size()));
        const TextRange value_range{rest.size() - value.size(), rest.size()};
        ranges = {{0, end}, value_range, value_range};
        return std::vector<std::string>{std::string(rest.substr(0, end)), std::string(value), ""};
    }
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::string& word = words[i];
        const std::size_t equals = word.find('=');
        if (equals == std::string::npos)
            return fail(
                ErrorKind::invalid_dockerfile,
                fmt::format("Syntax error - can't find = in {}. Must be of the form: name=value", quoted(word)));
        result.insert(result.end(), {word.substr(0, equals), word.substr(equals + 1), "="});
        const auto [begin, end] = whole[i];
        ranges.insert(ranges.end(),
                      {{begin, begin + equals}, {begin + equals + 1, end}, {begin + equals, begin + equals + 1}});
    }
    return result;
}

// Adds the words of a JSON array, or says that there is none.
Result<bool> take_json(SyntaxNode& node, std::string_view rest) {
    DBUILD_TRY_ASSIGN(auto words, parse_json_words(rest, node.word_ranges));
    if (!words) return false;
    node.is_json = true;
    node.words.insert(node.words.end(), words->begin(), words->end());
    return true;
}

Status take_json_or_line(SyntaxNode& node, std::string_view rest) {
    if (rest.empty()) return {};
    DBUILD_TRY_ASSIGN(const bool is_json, take_json(node, rest));
    if (!is_json) {
        node.words.emplace_back(rest);
        node.word_ranges.push_back({0, rest.size()});
    }
    return {};
}

Status take_healthcheck(SyntaxNode& node, std::string_view rest) {
    std::size_t end = 0;
    while (end < rest.size() && !is_space(static_cast<unsigned char>(rest[end]))) ++end;
    if (end == 0) return {};
    node.words.emplace_back(rest.substr(0, end));
    node.word_ranges.push_back({0, end});
    const std::string_view command = trim_left(rest.substr(end));
    const std::size_t first = node.word_ranges.size();
    DBUILD_TRY(take_json_or_line(node, command));
    for (std::size_t i = first; i < node.word_ranges.size(); ++i) {
        node.word_ranges[i].begin += rest.size() - command.size();
        node.word_ranges[i].end += rest.size() - command.size();
    }
    return {};
}

Status take_arguments(SyntaxNode& node, Grammar grammar, const std::string& rest, char escape) {
    switch (grammar) {
    case Grammar::json_or_line: return take_json_or_line(node, rest);
    case Grammar::json_or_blanks: {
        DBUILD_TRY_ASSIGN(const bool is_json, take_json(node, rest));
        if (!is_json) node.words = split_blanks(rest, node.word_ranges);
        return {};
    }
    case Grammar::blanks: node.words = split_blanks(rest, node.word_ranges); return {};
    case Grammar::pairs: {
        DBUILD_TRY_ASSIGN(node.words, parse_pairs(rest, node.keyword, escape, node.word_ranges));
        return {};
    }
    case Grammar::quoted_words: node.words = split_quoted_words(rest, escape, node.word_ranges); return {};
    case Grammar::line:
        if (!rest.empty()) {
            node.words.push_back(rest);
            node.word_ranges.push_back({0, rest.size()});
        }
        return {};
    case Grammar::healthcheck: return take_healthcheck(node, rest);
    case Grammar::onbuild: {
        if (rest.empty()) return {};
        DBUILD_TRY_ASSIGN(SyntaxNode child, parse_node(rest, escape));
        node.child = std::make_shared<const SyntaxNode>(std::move(child));
        return {};
    }
    }
    return {};
}

Result<SyntaxNode> parse_node(std::string_view line, char escape) {
    SyntaxNode node;
    node.line = line;
    CommandSplit split = split_command(line, escape);
    node.keyword = std::move(split.keyword);
    node.flags = std::move(split.flags);
    node.flag_ranges = std::move(split.flag_ranges);
    const auto grammar = grammars().find(ascii_lower(node.keyword));
    // Unknown words are refused by the second pass, so that syntax errors of other lines win as in BuildKit.
    if (grammar != grammars().end()) DBUILD_TRY(take_arguments(node, grammar->second, split.rest, escape));
    for (TextRange& range : node.word_ranges) {
        range.begin += split.rest_begin;
        range.end += split.rest_begin;
    }
    return node;
}

bool can_hold_heredoc(const SyntaxNode& node) {
    const SyntaxNode* current = &node;
    while (current->child != nullptr) current = current->child.get();
    const std::string keyword = ascii_lower(current->keyword);
    return !current->is_json && (keyword == "run" || keyword == "copy" || keyword == "add");
}

std::string strip_leading_tabs(std::string_view body) {
    std::string result;
    while (!body.empty()) {
        const std::size_t end = std::min(body.find('\n'), body.size() - 1) + 1;
        std::string_view line = body.substr(0, end);
        line.remove_prefix(std::min(line.find_first_not_of('\t'), line.size()));
        result += line;
        body.remove_prefix(end);
    }
    return result;
}

Error locate(Error error, const SourceSpan& where) {
    if (!error.where) {
        if (error.kind == ErrorKind::invalid_dockerfile)
            error.message = fmt::format("dockerfile parse error on line {}: {}", where.first_line, error.message);
        error.where = where;
    }
    return error;
}

Status read_heredocs(SourceReader& reader, SyntaxNode& node, int first_line) {
    if (!can_hold_heredoc(node)) return {};
    for (Heredoc& heredoc : find_heredocs(node.line)) {
        DBUILD_TRY_ASSIGN(auto body, reader.read_until(heredoc.name, heredoc.strips_tabs));
        if (!body)
            return fail(locate({ErrorKind::invalid_dockerfile, "unterminated heredoc", {}, {}},
                               reader.span(first_line, reader.current_line())));
        heredoc.body = heredoc.strips_tabs ? strip_leading_tabs(*body) : *body;
        heredoc.raw_body = std::move(*body);
        node.heredocs.push_back(std::move(heredoc));
    }
    return {};
}

std::string dump_node(const SyntaxNode& node) {
    std::string result = ascii_lower(node.keyword);
    if (!node.flags.empty()) {
        result += " [";
        for (std::size_t i = 0; i < node.flags.size(); ++i) result += (i == 0 ? "" : " ") + quoted(node.flags[i]);
        result += "]";
    }
    if (node.child != nullptr) result += " " + dump_node(*node.child);
    for (const std::string& word : node.words) result += " " + quoted(word);
    return "(" + result + ")";
}

} // namespace

Result<SyntaxTree> parse_syntax_tree(std::string_view text, const std::string& file_name,
                                     std::vector<Error>* recovered) {
    if (text.empty())
        return fail(ErrorKind::invalid_dockerfile, "the Dockerfile cannot be empty", SourceSpan{file_name, 1, 1, 0});
    SyntaxTree tree;
    DBUILD_TRY_ASSIGN(SourceReader reader, SourceReader::open(text, file_name));
    for (;;) {
        DBUILD_TRY_ASSIGN(std::optional<LogicalLine> line, reader.next_line());
        if (!line) break;
        auto node = parse_node(line->text, reader.escape());
        if (!node) {
            Error error = locate(std::move(node).error(), reader.span(line->first_line, reader.current_line()));
            if (recovered == nullptr) return fail(std::move(error));
            recovered->push_back(std::move(error));
            continue;
        }
        DBUILD_TRY(read_heredocs(reader, *node, line->first_line));
        node->where = reader.span(line->first_line, reader.current_line());
        node->check = std::move(line->check);
        node->directives = std::move(line->directives);
        node->comment = std::move(line->comment);
        node->has_empty_continuation = line->has_empty_continuation;
        node->parts = std::move(line->parts);
        node->source = reader.source(line->first_line, reader.current_line());
        tree.nodes.push_back(std::move(*node));
    }
    const int last = std::max(reader.current_line(), 1);
    if (tree.nodes.empty() && (recovered == nullptr || recovered->empty()))
        return fail(ErrorKind::invalid_dockerfile, "file with no instructions", reader.span(last, last));
    tree.syntax = reader.syntax();
    tree.check = reader.check();
    tree.escape = reader.escape();
    return tree;
}

WordPlace place_of(const SyntaxNode& node, const TextRange& range) {
    WordPlace place{node.where, 0};
    const auto next = std::upper_bound(node.parts.begin(), node.parts.end(), range.begin,
                                       [](std::size_t at, const LinePart& part) { return at < part.begin; });
    if (next == node.parts.begin()) return place;
    const LinePart& part = *(next - 1);
    const std::size_t end = next == node.parts.end() ? range.end : std::min(range.end, next->begin);
    place.where.first_line = place.where.last_line = part.line;
    place.where.column = part.column + static_cast<int>(range.begin - part.begin);
    place.length = static_cast<int>(end - range.begin);
    return place;
}

std::string without_place(std::string message) {
    constexpr std::string_view envelope = "dockerfile parse error on line ";
    if (!message.starts_with(envelope)) return message;
    return message.substr(message.find(": ") + 2);
}

std::string dump_syntax_tree(const SyntaxTree& tree) {
    std::string result;
    for (const SyntaxNode& node : tree.nodes) result += dump_node(node) + "\n";
    return result;
}

} // namespace dbuild::dockerfile_parser
