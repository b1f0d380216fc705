// SPDX-License-Identifier: Apache-2.0
#include "dockerfile_parser/expansion.hpp"

#include "dockerfile_parser/expansion_pattern.hpp"
#include "dockerfile_parser/unicode.hpp"

#include <algorithm>

namespace dbuild::dockerfile_parser {
namespace {

// Some ten nested characters can ask for any length, and BuildKit would try: beyond these limits the build is its own.
constexpr std::size_t k_most_bytes = std::size_t{1} << 20; // of an expanded word, beyond its text
constexpr int k_most_levels = 500;                         // of nested ${…}, each a frame or two of the stack

tl::unexpected<Error> too_large() { return fail(ErrorKind::unsupported, "a variable expansion of this size"); }

tl::unexpected<Error> syntax_error(std::string message) {
    return fail(ErrorKind::invalid_dockerfile, std::move(message));
}

/// Walks a word once. `text` is the word after expansion; `words` is the same, cut at blanks outside of quotes.
class WordLexer {
public:
    enum class Mode { word, heredoc };
    WordLexer(std::string_view input, const VariableLookup& lookup, char escape, Mode mode, int level = 0)
        : input_(input), lookup_(lookup), escape_(escape), mode_(mode), level_(level) {}

    Status run() { return take_until('\0', mode_ == Mode::heredoc); }
    std::string take_text() { return std::move(text_); }
    std::vector<std::string> take_words() {
        end_word();
        return std::move(words_);
    }

private:
    bool at_end() const { return position_ >= input_.size(); }
    char peek() const { return input_[position_]; }
    char next() { return input_[position_++]; }

    void add_quoted(std::string_view piece) {
        text_ += piece;
        word_ += piece;
    }
    /// Unquoted text: blanks in it separate words.
    void add_plain(std::string_view piece) {
        text_ += piece;
        for (const char c : piece) {
            if (c == ' ' || (c >= '\t' && c <= '\r')) {
                end_word();
            } else {
                word_ += c;
            }
        }
    }
    void end_word() {
        if (!word_.empty()) words_.push_back(word_); // an empty word is none, even when it was quoted
        word_.clear();
    }

    /// Up to `stop` (not consumed by this call's caller: it is eaten here), or to the end for '\0'.
    Status take_until(char stop, bool quotes_are_plain) {
        while (!at_end()) {
            const char c = peek();
            if (stop != '\0' && c == stop) {
                ++position_;
                return {};
            }
            if (!quotes_are_plain && c == '\'') {
                DBUILD_TRY(take_single_quotes());
            } else if (!quotes_are_plain && c == '"') {
                DBUILD_TRY(take_double_quotes());
            } else if (c == '$') {
                DBUILD_TRY_ASSIGN(const auto value, take_dollar());
                if (quotes_are_plain)
                    add_quoted(value);
                else
                    add_plain(value);
            } else if (c == escape_) {
                ++position_;
                if (at_end()) return {}; // a trailing escape is dropped
                take_escaped();
            } else {
                add_plain(input_.substr(position_++, 1));
            }
        }
        if (stop != '\0') return syntax_error(std::string("syntax error: missing '") + stop + "'");
        return {};
    }

    /// Whatever follows is literal and the escape is removed: in a heredoc too, where BuildKit uses the same lexer.
    void take_escaped() {
        const auto size = decode_utf8(input_, position_).size;
        add_quoted(input_.substr(position_, size));
        position_ += size;
    }

    Status take_single_quotes() {
        const auto end = input_.find('\'', position_ + 1);
        if (end == input_.npos)
            return syntax_error("unexpected end of statement while looking for matching single-quote");
        add_quoted(input_.substr(position_ + 1, end - position_ - 1));
        position_ = end + 1;
        return {};
    }

    Status take_double_quotes() {
        ++position_;
        add_quoted("");
        while (!at_end()) {
            const char c = next();
            if (c == '"') return {};
            if (c == '$') {
                --position_;
                DBUILD_TRY_ASSIGN(const auto value, take_dollar());
                add_quoted(value);
            } else if (c == escape_) {
                if (at_end()) break;
                if (peek() != '"' && peek() != '$' && peek() != escape_) add_quoted(std::string(1, escape_));
                add_quoted(std::string(1, next()));
            } else {
                add_quoted(std::string(1, c));
            }
        }
        return syntax_error("unexpected end of statement while looking for matching double-quote");
    }

    Result<std::string> take_dollar() {
        ++position_; // the `$`
        if (at_end()) return std::string("$");
        std::string value = "$";
        if (peek() == '{') {
            ++position_;
            if (level_ == k_most_levels) return too_large();
            ++level_;
            DBUILD_TRY_ASSIGN(value, take_braces());
            --level_;
        } else {
            DBUILD_TRY_ASSIGN(const auto name, take_name());
            if (!name.empty()) value = lookup_(name).value_or("");
        }
        if (text_.size() + value.size() > input_.size() + k_most_bytes) return too_large();
        return value;
    }

    /// Errors:  unsupported — non-ASCII characters, which end a name or belong to it by Unicode's tables.
    Result<std::string> take_name() {
        if (at_end()) return std::string();
        const auto begin = position_;
        const char first = peek();
        if (is_ascii_digit(static_cast<unsigned char>(first))) {
            while (!at_end() && is_ascii_digit(static_cast<unsigned char>(peek()))) ++position_;
        } else if (std::string_view("@*#?-$!").find(first) != std::string_view::npos) {
            ++position_;
        } else {
            while (!at_end() && (is_ascii_letter(static_cast<unsigned char>(peek())) || peek() == '_' ||
                                 is_ascii_digit(static_cast<unsigned char>(peek()))))
                ++position_;
            if (!at_end() && static_cast<unsigned char>(peek()) >= 0x80)
                return fail(ErrorKind::unsupported, "a variable name followed by a non-ASCII character");
        }
        return std::string(input_.substr(begin, position_ - begin));
    }

    Result<std::string> take_braces() {
        if (at_end()) return syntax_error("syntax error: missing '}'");
        if (peek() == '{' || peek() == '}' || peek() == ':') return syntax_error("syntax error: bad substitution");
        DBUILD_TRY_ASSIGN(const auto name, take_name());
        if (name.empty()) return syntax_error("syntax error: bad substitution");
        if (at_end()) return syntax_error("syntax error: missing '}'");
        const auto value = lookup_(name);
        const char modifier = next();
        switch (modifier) {
        case '}': return value.value_or("");
        case ':': {
            if (at_end()) return syntax_error("syntax error: missing '}'");
            const char kind = next();
            if (std::string_view("-+?").find(kind) == std::string_view::npos)
                return syntax_error(std::string("unsupported modifier (:") + kind + ") in substitution");
            return take_default(name, value, kind, value && !value->empty());
        }
        case '-':
        case '+':
        case '?': return take_default(name, value, modifier, value.has_value());
        case '#':
        case '%': return take_strip(value, modifier);
        case '/': return take_replacement(value);
        default: break;
        }
        return syntax_error(std::string("unsupported modifier (") + modifier + ") in substitution");
    }

    /// The rest of a ${…} up to its brace, expanded, quotes removed.
    Result<std::string> take_word(char stop) {
        WordLexer inner(input_, lookup_, escape_, mode_, level_);
        inner.position_ = position_;
        DBUILD_TRY(inner.take_until(stop, mode_ == Mode::heredoc));
        position_ = inner.position_;
        return inner.take_text();
    }

    /// A pattern or its replacement: variables are expanded, quotes removed (they do not protect wildcards), and
    /// escapes stay, for the matcher, which knows `\` only: under another escape directive the directive's character
    /// protects `stop` and then stands for itself. Ends at an unescaped `stop`.
    Result<std::string> take_pattern(char stop) {
        std::string pattern;
        while (!at_end()) {
            const char c = next();
            if (c == stop) return pattern;
            if (mode_ == Mode::word && (c == '\'' || c == '"')) {
                DBUILD_TRY_ASSIGN(const auto piece, take_quoted_pattern(c));
                pattern += piece;
            } else if (c == escape_ && !at_end()) {
                pattern += c;
                pattern += next();
            } else if (c == '$') {
                --position_;
                DBUILD_TRY_ASSIGN(const auto value, take_dollar());
                pattern += value;
            } else {
                pattern += c;
            }
        }
        return syntax_error(stop == '/' ? "syntax error: missing '/' in ${}" : "syntax error: missing '}'");
    }

    Result<std::string> take_quoted_pattern(char quote) {
        std::string piece;
        while (!at_end()) {
            const char c = next();
            if (c == quote) return piece;
            if (c == '$' && quote == '"') {
                --position_;
                DBUILD_TRY_ASSIGN(const auto value, take_dollar());
                piece += value;
            } else {
                piece += c;
                if (c == escape_ && quote == '"' && !at_end() && (peek() == '"' || peek() == '$' || peek() == escape_))
                    piece += next();
            }
        }
        return syntax_error(std::string("unexpected end of statement while looking for matching ") +
                            (quote == '"' ? "double-quote" : "single-quote"));
    }

    Result<std::string> take_default(const std::string& name, const std::optional<std::string>& value, char kind,
                                     bool is_set) {
        DBUILD_TRY_ASSIGN(const auto word, take_word('}'));
        if (kind == '+') return is_set ? word : std::string();
        if (is_set) return *value;
        if (kind == '-') return word;
        if (!word.empty()) return syntax_error(name + ": " + word);
        return syntax_error(name + (value ? ": is not allowed to be empty" : ": is not allowed to be unset"));
    }

    Result<std::string> take_strip(const std::optional<std::string>& value, char kind) {
        const bool is_longest = !at_end() && peek() == kind;
        if (is_longest) ++position_;
        DBUILD_TRY_ASSIGN(const auto text, take_pattern('}'));
        DBUILD_TRY_ASSIGN(const auto pattern, ExpansionPattern::parse(text));
        if (!value) return std::string();
        if (pattern.is_too_much_for(*value)) return too_large();
        const auto length = is_longest ? ExpansionPattern::Length::longest : ExpansionPattern::Length::shortest;
        return kind == '#' ? pattern.strip_prefix(*value, length) : pattern.strip_suffix(*value, length);
    }

    Result<std::string> take_replacement(const std::optional<std::string>& value) {
        const bool replaces_all = !at_end() && peek() == '/';
        if (replaces_all) ++position_;
        DBUILD_TRY_ASSIGN(const auto text, take_pattern('/'));
        DBUILD_TRY_ASSIGN(const auto replacement, take_pattern('}'));
        if (replaces_all && replacement.find('$') != replacement.npos && replacement.find('\\') != replacement.npos)
            return fail(ErrorKind::unsupported, "\"$\" and \"\\\" in the replacement of ${x//p/r}");
        DBUILD_TRY_ASSIGN(const auto pattern, ExpansionPattern::parse(text));
        if (!value) return std::string();
        if (pattern.is_too_much_for(*value) || (value->size() + 1) * replacement.size() > k_most_bytes)
            return too_large();
        return replaces_all ? pattern.replace_all(*value, replacement) : pattern.replace_first(*value, replacement);
    }

    std::string_view input_;
    const VariableLookup& lookup_;
    char escape_;
    Mode mode_;
    int level_; // of nested ${…}
    std::size_t position_ = 0;
    std::string text_, word_;
    std::vector<std::string> words_;
};

} // namespace

Result<std::string> expand_word(std::string_view word, const VariableLookup& lookup, char escape) {
    WordLexer lexer(word, lookup, escape, WordLexer::Mode::word);
    auto done = lexer.run();
    if (!done) {
        done.error().message = "failed to process " + quoted(word) + ": " + done.error().message;
        return fail(std::move(done).error());
    }
    return lexer.take_text();
}

Result<std::vector<std::string>> expand_words(std::string_view word, const VariableLookup& lookup, char escape) {
    WordLexer lexer(word, lookup, escape, WordLexer::Mode::word);
    auto done = lexer.run();
    if (!done) {
        done.error().message = "failed to process " + quoted(word) + ": " + done.error().message;
        return fail(std::move(done).error());
    }
    return lexer.take_words();
}

Result<std::string> expand_heredoc(std::string_view body, const VariableLookup& lookup) {
    WordLexer lexer(body, lookup, '\\', WordLexer::Mode::heredoc);
    DBUILD_TRY(lexer.run());
    return lexer.take_text();
}

} // namespace dbuild::dockerfile_parser
