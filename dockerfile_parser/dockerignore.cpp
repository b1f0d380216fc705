// SPDX-License-Identifier: Apache-2.0
#include "dockerfile_parser/dockerignore.hpp"

#include "dockerfile_parser/unicode.hpp"

#include <algorithm>

namespace dbuild::dockerfile_parser {
namespace {

using Token = IgnoreMatcher::Token;

tl::unexpected<Error> bad_pattern() { return fail(ErrorKind::invalid_dockerfile, "syntax error in pattern"); }

Result<Token> compile_class(std::string_view pattern, std::size_t& at) {
    Token token;
    token.kind = Token::Kind::character_class;
    ++at; // the `[`
    if (at < pattern.size() && pattern[at] == '^') {
        token.is_negated = true;
        ++at;
    }
    const auto take = [&]() -> Result<char32_t> {
        if (at < pattern.size() && pattern[at] == '\\') ++at;
        if (at >= pattern.size()) return bad_pattern();
        const auto point = decode_utf8(pattern, at);
        at += point.size;
        return point.value;
    };
    for (bool is_first = true;; is_first = false) {
        if (at >= pattern.size()) return bad_pattern();
        if (pattern[at] == ']' && !is_first) break;
        if (pattern[at] == '-' || pattern[at] == ']') return bad_pattern();
        DBUILD_TRY_ASSIGN(const auto first, take());
        char32_t last = first;
        if (at < pattern.size() && pattern[at] == '-') {
            ++at;
            if (at >= pattern.size() || pattern[at] == ']') return bad_pattern();
            DBUILD_TRY_ASSIGN(last, take());
        }
        token.ranges.push_back({first, last});
    }
    ++at; // the `]`
    return token;
}

enum class DoubleStar { is_two_runs, crosses_directories };

Result<std::vector<Token>> compile(std::string_view pattern, DoubleStar double_star) {
    std::vector<Token> tokens;
    for (std::size_t at = 0; at < pattern.size();) {
        Token token;
        const char c = pattern[at];
        if (c == '*' && double_star == DoubleStar::crosses_directories && pattern.substr(at).starts_with("**")) {
            const bool is_leading = at == 0;
            at += 2;
            // moby/patternmatcher compares a leading `**` and a fixed rest as a suffix, which may begin within a name.
            const bool is_suffix = is_leading && !pattern.substr(at).starts_with('/') &&
                                   pattern.find_first_of("*?[]\\", at) == pattern.npos;
            if (at < pattern.size() && pattern[at] == '/') ++at; // `**/x` also matches x itself
            token.kind = is_suffix || at == pattern.size() ? Token::Kind::any_text : Token::Kind::any_directories;
        } else if (c == '*') {
            ++at;
            token.kind = Token::Kind::any_run;
        } else if (c == '?') {
            ++at;
            token.kind = Token::Kind::any_character;
        } else if (c == '[') {
            DBUILD_TRY_ASSIGN(token, compile_class(pattern, at));
        } else {
            if (c == '\\' && ++at >= pattern.size()) return bad_pattern();
            const auto point = decode_utf8(pattern, at);
            at += point.size;
            token.character = point.value;
        }
        tokens.push_back(std::move(token));
    }
    return tokens;
}

bool is_in_class(const Token& token, char32_t value) {
    const bool is_listed = std::any_of(token.ranges.begin(), token.ranges.end(),
                                       [&](const auto& range) { return range.first <= value && value <= range.last; });
    return is_listed != token.is_negated;
}

/// any_directories takes nothing or whole path components; any_text takes anything.
bool match_tokens(const std::vector<Token>& tokens, std::size_t token, std::string_view text, std::size_t at) {
    for (; token < tokens.size(); ++token) {
        const auto& current = tokens[token];
        if (current.kind == Token::Kind::any_directories || current.kind == Token::Kind::any_text) {
            if (token + 1 == tokens.size()) return true;
            for (auto next = at; next <= text.size(); ++next) {
                const bool may_end = current.kind == Token::Kind::any_text || next == at || text[next - 1] == '/';
                if (may_end && match_tokens(tokens, token + 1, text, next)) return true;
            }
            return false;
        }
        if (current.kind == Token::Kind::any_run) {
            for (auto next = at;; ++next) {
                if (match_tokens(tokens, token + 1, text, next)) return true;
                if (next >= text.size() || text[next] == '/') return false;
            }
        }
        if (at >= text.size()) return false;
        const auto point = decode_utf8(text, at);
        at += point.size;
        switch (current.kind) {
        case Token::Kind::literal:
            if (point.value != current.character) return false;
            break;
        case Token::Kind::any_character:
            if (point.value == '/') return false;
            break;
        default:
            if (point.value == '/' || !is_in_class(current, point.value)) return false;
        }
    }
    return at == text.size();
}

/// Go's filepath.Clean for a pattern, without a leading slash.
std::string clean_pattern(std::string_view pattern) {
    std::vector<std::string_view> parts;
    for (std::size_t begin = 0; begin <= pattern.size();) {
        const auto end = std::min(pattern.find('/', begin), pattern.size());
        const auto part = pattern.substr(begin, end - begin);
        if (part == ".." && !parts.empty() && parts.back() != "..")
            parts.pop_back();
        else if (!part.empty() && part != "." && !(part == ".." && pattern.starts_with('/')))
            parts.push_back(part);
        begin = end + 1;
    }
    std::string clean;
    for (const auto part : parts) {
        if (!clean.empty()) clean += '/';
        clean += part;
    }
    return clean;
}

} // namespace

Result<bool> match_path(std::string_view pattern, std::string_view name) {
    DBUILD_TRY_ASSIGN(const auto tokens, compile(pattern, DoubleStar::is_two_runs));
    return match_tokens(tokens, 0, name, 0);
}

Result<IgnoreMatcher> IgnoreMatcher::parse(std::string_view text, std::string file_name) {
    IgnoreMatcher matcher;
    matcher.text_ = text;
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    for (int number = 1; !text.empty(); ++number) {
        const auto end = text.find('\n');
        auto line = text.substr(0, end);
        text = end == text.npos ? std::string_view() : text.substr(end + 1);
        if (line.starts_with('#')) continue;
        line = trim(line);
        if (line.empty()) continue;
        const SourceSpan where{file_name, number, number, 0};
        Pattern pattern;
        if (line.starts_with('!')) {
            pattern.is_exception = true;
            line = trim(line.substr(1));
            if (line.empty()) return fail(ErrorKind::invalid_dockerfile, "illegal exclusion pattern: \"!\"", where);
        }
        pattern.cleaned = clean_pattern(line);
        if (pattern.cleaned.empty()) continue; // "." and "/" match nothing: the root is never left out
        pattern.has_wildcard = pattern.cleaned.find_first_of("*?[\\") != pattern.cleaned.npos;
        auto tokens = compile(pattern.cleaned, DoubleStar::crosses_directories);
        if (!tokens)
            return fail(ErrorKind::invalid_dockerfile, tokens.error().message + ": " + std::string(line), where);
        pattern.tokens = std::move(*tokens);
        matcher.patterns_.push_back(std::move(pattern));
    }
    return matcher;
}

bool IgnoreMatcher::matches(const Pattern& pattern, std::string_view path) const {
    if (!pattern.has_wildcard) return path == pattern.cleaned;
    return match_tokens(pattern.tokens, 0, path, 0);
}

// From the root down, as BuildKit's walk does (patternmatcher.MatchesUsingParentResults): a pattern that could not
// change a folder's answer is not tried there, so it does not reach the children through that folder either.
bool IgnoreMatcher::is_ignored(std::string_view relative_path) const {
    std::vector<bool> is_matched(patterns_.size(), false); // by the path so far or one of its parents
    for (auto end = relative_path.find('/');; end = relative_path.find('/', end + 1)) {
        bool is_out = false;
        for (std::size_t i = 0; i < patterns_.size(); ++i) {
            const Pattern& pattern = patterns_[i];
            if (!is_matched[i] && pattern.is_exception == is_out)
                is_matched[i] = matches(pattern, relative_path.substr(0, end));
            if (is_matched[i]) is_out = !pattern.is_exception;
        }
        if (end == relative_path.npos) return is_out;
    }
}

bool IgnoreMatcher::can_skip_directory(std::string_view relative_path) const {
    if (!is_ignored(relative_path)) return false;
    for (const auto& pattern : patterns_) {
        if (!pattern.is_exception) continue;
        if (pattern.has_wildcard) {
            // Up to its first wildcard a pattern is fixed; where that part and the folder agree, something below may
            // match.
            const auto fixed = std::string_view(pattern.cleaned).substr(0, pattern.cleaned.find_first_of("*?[\\"));
            const std::string folder = std::string(relative_path) + "/";
            if (std::string_view(folder).starts_with(fixed) || fixed.starts_with(folder)) return false;
        } else if (pattern.cleaned.size() > relative_path.size() && pattern.cleaned.starts_with(relative_path) &&
                   pattern.cleaned[relative_path.size()] == '/') {
            return false;
        }
    }
    return true;
}

} // namespace dbuild::dockerfile_parser
