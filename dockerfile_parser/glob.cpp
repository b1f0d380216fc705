// SPDX-License-Identifier: Apache-2.0
#include "dockerfile_parser/glob.hpp"

#include "dockerfile_parser/unicode.hpp"

#include <algorithm>
#include <bitset>
#include <utility>

namespace dbuild::dockerfile_parser {
namespace {

constexpr std::size_t k_small = 64; // tokens that fit into a machine word

tl::unexpected<Error> bad_pattern() { return fail(ErrorKind::invalid_dockerfile, "syntax error in pattern"); }
tl::unexpected<Error> foreign(std::string_view what) {
    return fail(ErrorKind::unsupported, "a pattern with " + std::string(what));
}

} // namespace

bool Glob::Token::takes(char32_t value) const {
    switch (kind) {
    case Kind::literal: return value == character;
    case Kind::any_character:
    case Kind::any_run: return value != U'/';
    case Kind::any_text: return true;
    case Kind::any_line_text:
    case Kind::directories_body: return value != U'\n';
    case Kind::character_class: {
        const bool is_listed = std::any_of(ranges.begin(), ranges.end(), [&](const Range& range) {
            return range.first <= value && value <= range.last;
        });
        return is_listed != is_negated;
    }
    case Kind::directories:
    case Kind::text_begin: break;
    }
    return false;
}

/// Reads a pattern from left to right.
class Glob::Compiler {
public:
    Compiler(std::string_view pattern, Dialect dialect) : pattern_(pattern), dialect_(dialect) {
        is_expression_ = dialect == Dialect::path || pattern.find_first_of("?[]\\") != pattern.npos || has_run();
    }

    Result<std::vector<Token>> compile() {
        std::vector<Token> tokens;
        const auto add = [&](Token::Kind kind, char32_t character = 0) {
            tokens.push_back({kind, character, false, {}});
        };
        while (at_ < pattern_.size()) {
            const char c = pattern_[at_];
            if (c == '*' && dialect_ == Dialect::ignore_line && pattern_.substr(at_).starts_with("**")) {
                const bool is_first = at_ == 0;
                at_ += 2;
                const bool is_suffix = is_first && !is_expression_ && !pattern_.substr(at_).starts_with('/');
                if (at_ < pattern_.size() && pattern_[at_] == '/') ++at_; // `**/x` also matches x itself
                if (is_suffix) {
                    add(Token::Kind::any_text); // which may end within a name
                } else if (at_ == pattern_.size()) {
                    add(is_expression_ ? Token::Kind::any_line_text : Token::Kind::any_text);
                } else {
                    add(Token::Kind::directories);
                    add(Token::Kind::directories_body);
                }
            } else if (c == '*') {
                ++at_;
                add(Token::Kind::any_run);
            } else if (c == '?') {
                ++at_;
                add(Token::Kind::any_character);
            } else if (c == '[') {
                DBUILD_TRY_ASSIGN(auto token, take_class());
                tokens.push_back(std::move(token));
            } else if (c == '\\') {
                ++at_;
                DBUILD_TRY_ASSIGN(auto token, take_escaped());
                tokens.push_back(std::move(token));
            } else if (c == '^' && dialect_ == Dialect::ignore_line && is_expression_) {
                ++at_;
                add(Token::Kind::text_begin);
            } else {
                add(Token::Kind::literal, take_character());
            }
        }
        return tokens;
    }

private:
    /// Whether the pattern has a `*` that is not of a leading or trailing `**`: then patternmatcher makes it an
    /// expression.
    bool has_run() const {
        bool is_plain_so_far = true; // no `**` was seen
        for (std::size_t i = 0; i < pattern_.size(); ++i) {
            if (pattern_[i] != '*') continue;
            if (!pattern_.substr(i).starts_with("**")) return true;
            std::size_t end = i + 2;
            if (end < pattern_.size() && pattern_[end] == '/') ++end;
            const bool is_trailing_alone = end == pattern_.size() && is_plain_so_far;
            if (i != 0 && !is_trailing_alone) return true;
            is_plain_so_far = false;
            i = end - 1;
        }
        return false;
    }

    char32_t take_character() {
        const auto point = decode_utf8(pattern_, at_);
        at_ += point.size;
        return point.value;
    }

    static Token literal(char32_t character) { return {Token::Kind::literal, character, false, {}}; }

    /// After the backslash: the character itself, or a class of a regular expression.
    Result<Token> take_escaped() {
        if (at_ >= pattern_.size()) return bad_pattern();
        const char32_t c = take_character();
        if (dialect_ == Dialect::path) return literal(c);
        if (c >= 0x80) return bad_pattern();
        if (!is_ascii_letter(c) && !is_ascii_digit(c)) return literal(c);
        using Ranges = std::vector<Token::Range>;
        static const std::vector<std::pair<char32_t, Ranges>> classes = {
            {U'd', {{U'0', U'9'}}},
            {U's', {{U'\t', U'\n'}, {U'\f', U'\r'}, {U' ', U' '}}},
            {U'w', {{U'0', U'9'}, {U'A', U'Z'}, {U'_', U'_'}, {U'a', U'z'}}}};
        for (const auto& [name, ranges] : classes)
            if (c == name || c == name - U'a' + U'A') return Token{Token::Kind::character_class, 0, c != name, ranges};
        const std::string_view control_names = "aftnrv", controls = "\a\f\t\n\r\v";
        if (const auto place = control_names.find(static_cast<char>(c)); place != control_names.npos)
            return literal(static_cast<unsigned char>(controls[place]));
        if (std::string_view("bBAzpPQECx01234567").find(static_cast<char>(c)) != std::string_view::npos)
            return is_octal_error(c) ? Result<Token>(bad_pattern()) : foreign(std::string("\\") + static_cast<char>(c));
        return bad_pattern();
    }

    /// `\1` alone would be a back reference, which Go has not.
    bool is_octal_error(char32_t c) const {
        const bool is_followed = at_ < pattern_.size() && pattern_[at_] >= '0' && pattern_[at_] <= '7';
        return c >= U'1' && c <= U'7' && !is_followed;
    }

    Result<Token> take_class() {
        Token token{Token::Kind::character_class, 0, false, {}};
        ++at_; // the `[`
        if (at_ < pattern_.size() && pattern_[at_] == '^') {
            token.is_negated = true;
            ++at_;
        }
        for (bool is_first = true;; is_first = false) {
            if (at_ >= pattern_.size()) return bad_pattern();
            if (pattern_[at_] == ']' && !is_first) break;
            DBUILD_TRY(take_range(token));
        }
        ++at_; // the `]`
        return token;
    }

    Status take_range(Token& token) {
        DBUILD_TRY_ASSIGN(const Token first, take_class_character());
        const bool is_range = at_ < pattern_.size() && pattern_[at_] == '-';
        Token last = first;
        if (is_range) {
            ++at_;
            DBUILD_TRY_ASSIGN(last, take_class_character());
        }
        if (first.kind == Token::Kind::literal && last.kind == Token::Kind::literal) {
            if (last.character < first.character && dialect_ == Dialect::ignore_line) return bad_pattern();
            token.ranges.push_back({first.character, last.character});
            return {};
        }
        if (is_range) return bad_pattern(); // `[\d-z]`
        if (first.is_negated) return foreign("a negated class in a class");
        token.ranges.insert(token.ranges.end(), first.ranges.begin(), first.ranges.end());
        return {};
    }

    /// A literal, or a class by its escape.
    Result<Token> take_class_character() {
        if (at_ >= pattern_.size() || pattern_[at_] == '-' || pattern_[at_] == ']') return bad_pattern();
        const char c = pattern_[at_];
        if (c == '\\') {
            ++at_;
            return take_escaped();
        }
        if (dialect_ == Dialect::ignore_line && (c == '*' || c == '?'))
            return foreign(std::string(1, c) + " in a class");
        if (dialect_ == Dialect::ignore_line && pattern_.substr(at_).starts_with("[:")) return foreign("[: in a class");
        return literal(take_character());
    }

    std::string_view pattern_;
    Dialect dialect_;
    std::size_t at_ = 0;
    bool is_expression_ = false;
};

Result<Glob> Glob::of_path(std::string_view pattern) {
    Glob glob;
    DBUILD_TRY_ASSIGN(glob.tokens_, Compiler(pattern, Dialect::path).compile());
    glob.keep_fixed_parts();
    return glob;
}

Result<Glob> Glob::of_ignore_line(std::string_view pattern) {
    DBUILD_TRY(Compiler(pattern, Dialect::path).compile()); // patternmatcher asks filepath.Match for its errors first
    Glob glob;
    DBUILD_TRY_ASSIGN(glob.tokens_, Compiler(pattern, Dialect::ignore_line).compile());
    glob.keep_fixed_parts();
    return glob;
}

/// U+FFFD stands for whatever is no UTF-8, and so for no fixed bytes.
void Glob::keep_fixed_parts() {
    const auto is_fixed = [](const Token& token) {
        return token.kind == Token::Kind::literal && token.character != 0xFFFD;
    };
    const auto variable = std::find_if_not(tokens_.begin(), tokens_.end(), is_fixed);
    for (auto token = tokens_.begin(); token != variable; ++token) append_utf8(beginning_, token->character);
    tokens_.erase(tokens_.begin(), variable);
    for (auto token = tokens_.rbegin(); token != tokens_.rend() && is_fixed(*token) && token->character < 0x80; ++token)
        ending_.insert(ending_.begin(), static_cast<char>(token->character));
}

bool Glob::matches(std::string_view text) const {
    if (tokens_.empty()) return text == beginning_;
    if (!text.starts_with(beginning_) || !text.ends_with(ending_)) return false;
    return tokens_.size() < k_small ? run<std::bitset<k_small>>(text) : run<std::vector<bool>>(text);
}

/// All the ways through the tokens at once: a set of those that may take the next character.
template <class Set>
bool Glob::run(std::string_view text) const {
    const std::size_t count = tokens_.size();
    Set current, next;
    if constexpr (std::is_same_v<Set, std::vector<bool>>) {
        current.resize(count + 1);
        next.resize(count + 1);
    }
    std::size_t at = beginning_.size();
    // From a token that may take nothing also the one behind it; tokens stand in order, so one pass is enough.
    const auto close = [&](Set& set) {
        for (std::size_t i = 0; i < count; ++i) {
            if (!set[i]) continue;
            switch (tokens_[i].kind) {
            case Token::Kind::any_run:
            case Token::Kind::any_text:
            case Token::Kind::any_line_text: set[i + 1] = true; break;
            case Token::Kind::directories: set[i + 1] = set[i + 2] = true; break;
            case Token::Kind::text_begin:
                if (at == 0) set[i + 1] = true;
                break;
            default: break;
            }
        }
    };
    current[0] = true;
    close(current);
    while (at < text.size()) {
        const auto point = decode_utf8(text, at);
        at += point.size;
        bool is_alive = false;
        for (std::size_t i = 0; i <= count; ++i) next[i] = false;
        for (std::size_t i = 0; i < count; ++i) {
            if (!current[i] || !tokens_[i].takes(point.value)) continue;
            is_alive = true;
            switch (tokens_[i].kind) {
            case Token::Kind::any_run:
            case Token::Kind::any_text:
            case Token::Kind::any_line_text: next[i] = true; break;
            case Token::Kind::directories_body:
                next[i] = true;
                if (point.value == U'/') next[i + 1] = true;
                break;
            default: next[i + 1] = true;
            }
        }
        if (!is_alive) return false;
        close(next);
        std::swap(current, next);
    }
    return current[count];
}

bool has_wildcard(std::string_view source) {
    for (std::size_t i = 0; i < source.size(); ++i) {
        if (source[i] == '\\')
            ++i;
        else if (source[i] == '*' || source[i] == '?' || source[i] == '[')
            return true;
    }
    return false;
}

std::size_t find_pattern(std::string_view source) {
    for (std::size_t begin = 0; begin < source.size();) {
        const auto end = std::min(source.find('/', begin), source.size());
        if (has_wildcard(source.substr(begin, end - begin))) return begin;
        begin = end + 1;
    }
    return source.npos;
}

} // namespace dbuild::dockerfile_parser
