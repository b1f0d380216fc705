// SPDX-License-Identifier: Apache-2.0
#include "dockerfile_parser/expansion_pattern.hpp"

#include "dockerfile_parser/unicode.hpp"

namespace dbuild::dockerfile_parser {
namespace {

constexpr std::size_t k_most_steps = std::size_t{1} << 28; // of matching one pattern, each some nanoseconds

std::string expand_template(std::string_view replacement, std::string_view match) {
    const auto is_name = [](char c) {
        return is_ascii_letter(static_cast<unsigned char>(c)) || is_ascii_digit(static_cast<unsigned char>(c)) ||
               c == '_';
    };
    std::string result;
    for (std::size_t at = 0; at < replacement.size();) {
        const auto rest = replacement.substr(at);
        const bool has_brace = rest.starts_with("${");
        const std::size_t begin = has_brace ? 2 : 1;
        std::size_t end = begin;
        while (end < rest.size() && is_name(rest[end])) ++end;
        const bool is_closed = !has_brace || (end < rest.size() && rest[end] == '}');
        if (rest.starts_with("$$")) {
            result += '$';
            at += 2;
        } else if (rest.front() == '$' && end > begin && is_closed) {
            const auto name = rest.substr(begin, end - begin);
            if (name.find_first_not_of('0') == name.npos) result += match;
            at += end + (has_brace ? 1 : 0);
        } else {
            result += rest.front();
            ++at;
        }
    }
    return result;
}

} // namespace

Result<ExpansionPattern> ExpansionPattern::parse(std::string_view text) {
    ExpansionPattern pattern;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '*') {
            pattern.tokens_.push_back({Token::Kind::any, 0});
        } else if (c == '?') {
            pattern.tokens_.push_back({Token::Kind::one, 0});
        } else if (c == '\\') {
            if (++i == text.size() || std::string_view("*?\\}/").find(text[i]) == std::string_view::npos)
                return fail(ErrorKind::invalid_dockerfile, "invalid escape in pattern \"" + std::string(text) + "\"");
            pattern.tokens_.push_back({Token::Kind::literal, text[i]});
        } else {
            pattern.tokens_.push_back({Token::Kind::literal, c});
        }
    }
    return pattern;
}

/// Each position may be tried, and each try may look at all of the rest with every token.
bool ExpansionPattern::is_too_much_for(std::string_view value) const {
    const auto length = static_cast<double>(value.size());
    return length * length * static_cast<double>(tokens_.size()) > static_cast<double>(k_most_steps);
}

std::vector<std::size_t> ExpansionPattern::prefix_lengths(std::string_view text) const {
    std::vector<bool> reached(text.size() + 1, false);
    reached[0] = true;
    for (const auto& token : tokens_) {
        std::vector<bool> next(text.size() + 1, false);
        bool is_open = false; // an `any` that has begun
        for (std::size_t at = 0; at <= text.size(); ++at) {
            if (token.kind == Token::Kind::any) {
                is_open = is_open || reached[at];
                next[at] = is_open;
            } else if (reached[at] && at < text.size()) {
                const auto step = token.kind == Token::Kind::one ? decode_utf8(text, at).size : std::size_t{1};
                if (token.kind == Token::Kind::one || text[at] == token.character) next[at + step] = true;
            }
        }
        reached = std::move(next);
    }
    std::vector<std::size_t> lengths;
    for (std::size_t at = 0; at <= text.size(); ++at)
        if (reached[at]) lengths.push_back(at);
    return lengths;
}

std::string ExpansionPattern::strip_prefix(std::string_view value, Length length) const {
    const auto lengths = prefix_lengths(value);
    if (!lengths.empty()) value.remove_prefix(length == Length::longest ? lengths.back() : lengths.front());
    return std::string(value);
}

std::string ExpansionPattern::strip_suffix(std::string_view value, Length length) const {
    for (std::size_t i = 0; i <= value.size(); ++i) { // from the front for the longest, from the end for the shortest
        const auto begin = length == Length::longest ? i : value.size() - i;
        const auto lengths = prefix_lengths(value.substr(begin));
        if (!lengths.empty() && lengths.back() == value.size() - begin) return std::string(value.substr(0, begin));
    }
    return std::string(value);
}

std::string ExpansionPattern::replace_first(std::string_view value, std::string_view replacement) const {
    for (std::size_t at = 0; at <= value.size(); ++at) {
        const auto lengths = prefix_lengths(value.substr(at));
        if (lengths.empty()) continue;
        return std::string(value.substr(0, at)) + std::string(replacement) +
               std::string(value.substr(at + lengths.back()));
    }
    return std::string(value);
}

std::string ExpansionPattern::replace_all(std::string_view value, std::string_view replacement) const {
    std::string result;
    for (std::size_t at = 0; at <= value.size();) {
        const auto lengths = prefix_lengths(value.substr(at));
        const std::size_t length = lengths.empty() ? 0 : lengths.back();
        if (!lengths.empty()) result += expand_template(replacement, value.substr(at, length));
        if (length == 0 && at < value.size()) result += value[at];
        at += length == 0 ? 1 : length;
        if (length > 0 && at == value.size()) break; // no empty match after the last
    }
    return result;
}

} // namespace dbuild::dockerfile_parser
