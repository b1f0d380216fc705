// SPDX-License-Identifier: Apache-2.0
// Splitting of logical lines, see words.hpp.
// Rules: moby/buildkit frontend/dockerfile/parser/{split_command,line_parsers,parser}.go.
#include "dockerfile_parser/words.hpp"

#include "dockerfile_parser/unicode.hpp"

#include <boost/json.hpp>

namespace dbuild::dockerfile_parser {

namespace {

constexpr std::string_view k_blanks = "\t\v\f\r ";

struct FlagSplit {
    std::vector<std::string> flags;
    std::vector<TextRange> ranges; // in the line
    std::string_view rest;
};

// BuildKit walks the bytes of flags, not their characters: non-ASCII values come out re-encoded byte by byte.
FlagSplit split_flags(std::string_view line, char escape) {
    FlagSplit result;
    std::size_t position = 0;
    const auto byte = [&line](std::size_t at) { return static_cast<char32_t>(static_cast<unsigned char>(line[at])); };
    for (;;) {
        while (position < line.size() && is_space(byte(position))) ++position;
        if (!line.substr(position).starts_with("--")) {
            result.rest = line.substr(position);
            return result;
        }
        std::string word;
        const std::size_t begin = position;
        char32_t quote = 0;
        for (; position < line.size() && (quote != 0 || !is_space(byte(position))); ++position) {
            char32_t character = byte(position);
            if (character == quote && quote != 0) {
                quote = 0;
                continue;
            }
            if (quote == 0 && (character == '\'' || character == '"')) {
                quote = character;
                continue;
            }
            if (character == static_cast<unsigned char>(escape)) {
                if (position + 1 == line.size()) continue;
                character = byte(++position);
            }
            append_utf8(word, character);
        }
        if (word == "--") {
            result.rest = line.substr(position);
            return result;
        }
        result.flags.push_back(std::move(word));
        result.ranges.push_back({begin, position});
    }
}

// The shell lexer with every quote and escape kept. Blanks after << are glued to it, so `<< EOF` is one word.
class HeredocLexer {
public:
    explicit HeredocLexer(std::string_view text) : text_(text) {}

    /// Nothing for unbalanced quotes: such a line announces no heredoc.
    std::optional<std::vector<std::string>> words() {
        while (position_ < text_.size()) {
            const char c = text_[position_];
            if (c == '\'' || c == '"') {
                if (!take_quoted(c)) return std::nullopt;
            } else if (c == '\\') {
                take(2);
            } else if (text_.substr(position_).starts_with("<<")) {
                take(2);
                skip_blanks();
            } else if (const CodePoint point = decode_utf8(text_, position_); is_space(point.value)) {
                finish_word();
                position_ += point.size;
            } else {
                take(1);
            }
        }
        finish_word();
        return std::move(words_);
    }

private:
    void take(std::size_t count) {
        count = std::min(count, text_.size() - position_);
        word_ += text_.substr(position_, count);
        position_ += count;
    }

    bool take_quoted(char quote) {
        take(1);
        while (position_ < text_.size()) {
            const char c = text_[position_];
            take(c == '\\' && quote == '"' ? 2 : 1);
            if (c == quote) return true;
        }
        return false;
    }

    void skip_blanks() {
        while (position_ < text_.size() && is_space(decode_utf8(text_, position_).value))
            position_ += decode_utf8(text_, position_).size;
    }

    void finish_word() {
        if (!word_.empty()) words_.push_back(std::move(word_));
        word_.clear();
    }

    std::string_view text_;
    std::size_t position_ = 0;
    std::string word_;
    std::vector<std::string> words_;
};

// The name without quotes and escapes; nothing when it is empty, several words or unbalanced.
std::optional<std::string> unquote_name(std::string_view raw) {
    std::string name;
    char quote = 0;
    for (std::size_t i = 0; i < raw.size(); ++i) {
        const char c = raw[i];
        if (quote == '\'' && c != '\'') {
            name += c;
        } else if (quote != 0 && c == quote) {
            quote = 0;
        } else if (quote == 0 && (c == '\'' || c == '"')) {
            quote = c;
        } else if (c == '\\' && i + 1 < raw.size()) {
            const char next = raw[i + 1];
            if (quote == '"' && next != '"' && next != '$' && next != '\\') {
                name += c;
                continue;
            }
            name += next;
            ++i;
        } else if (c != '\\') {
            if (quote == 0 && is_space(static_cast<unsigned char>(c))) return std::nullopt;
            name += c;
        }
    }
    if (quote != 0 || name.empty()) return std::nullopt;
    return name;
}

} // namespace

CommandSplit split_command(std::string_view line, char escape) {
    CommandSplit result;
    const char* const line_begin = line.data();
    line = trim(line);
    const std::size_t end = std::min(line.find_first_of(k_blanks), line.size());
    result.keyword = line.substr(0, end);
    line.remove_prefix(end);
    line.remove_prefix(std::min(line.find_first_not_of(k_blanks), line.size()));
    FlagSplit flags = split_flags(line, escape);
    result.flags = std::move(flags.flags);
    for (const TextRange& range : flags.ranges) {
        const auto skipped = static_cast<std::size_t>(line.data() - line_begin);
        result.flag_ranges.push_back({skipped + range.begin, skipped + range.end});
    }
    const std::string_view rest = trim(flags.rest);
    result.rest = rest;
    result.rest_begin = static_cast<std::size_t>(rest.data() - line_begin);
    return result;
}

std::vector<std::string> split_blanks(std::string_view text, std::vector<TextRange>& ranges) {
    std::vector<std::string> words;
    const char* const text_begin = text.data();
    while (!text.empty()) {
        const std::size_t end = std::min(text.find_first_of(k_blanks), text.size());
        const auto begin = static_cast<std::size_t>(text.data() - text_begin);
        ranges.push_back({begin, begin + end});
        words.emplace_back(text.substr(0, end));
        text.remove_prefix(end);
        text.remove_prefix(std::min(text.find_first_not_of(k_blanks), text.size()));
    }
    return words;
}

std::vector<std::string> split_quoted_words(std::string_view text, char escape, std::vector<TextRange>& ranges) {
    std::vector<std::string> words;
    std::string word;
    std::size_t begin = 0;
    char quote = 0;
    const auto finish = [&](std::size_t end) {
        if (!word.empty()) {
            words.push_back(std::move(word));
            ranges.push_back({begin, end});
        }
        word.clear();
    };
    for (std::size_t i = 0; i < text.size();) {
        if (word.empty()) begin = i;
        const CodePoint point = decode_utf8(text, i);
        const char c = point.size == 1 ? text[i] : '\0';
        if (quote == 0 && is_space(point.value)) {
            finish(i);
            i += point.size;
            continue;
        }
        // Nothing can be escaped within single quotes; an escape character at the very end is dropped.
        if (c == escape && quote != '\'') {
            if (++i == text.size()) break;
            word += c;
            const std::size_t size = decode_utf8(text, i).size;
            word += text.substr(i, size);
            i += size;
            continue;
        }
        if (quote == 0 && (c == '\'' || c == '"')) {
            quote = c;
        } else if (c == quote) {
            quote = 0;
        }
        word += text.substr(i, point.size);
        i += point.size;
    }
    finish(text.size());
    return words;
}

std::optional<Heredoc> heredoc_of_word(std::string_view word) {
    word.remove_prefix(std::min(word.find_first_not_of("0123456789"), word.size()));
    if (!word.starts_with("<<")) return std::nullopt;
    word.remove_prefix(2);
    Heredoc result;
    if (word.starts_with('-')) {
        result.strips_tabs = true;
        word.remove_prefix(1);
    }
    word = trim_left(word);
    if (word.empty() || word.find('<') != std::string_view::npos) return std::nullopt;
    auto name = unquote_name(word);
    if (!name) return std::nullopt;
    result.expands = *name == word;
    result.name = std::move(*name);
    return result;
}

std::vector<Heredoc> find_heredocs(std::string_view line) {
    std::vector<Heredoc> result;
    if (line.find("<<") == std::string_view::npos) return result;
    const auto words = HeredocLexer(line).words();
    if (!words) return result;
    for (const std::string& word : *words) {
        if (auto heredoc = heredoc_of_word(word)) result.push_back(std::move(*heredoc));
    }
    return result;
}

Result<std::optional<std::vector<std::string>>> parse_json_words(std::string_view text,
                                                                 std::vector<TextRange>& ranges) {
    using Words = std::optional<std::vector<std::string>>;
    const std::string_view whole = text;
    text = trim(text);
    if (!text.starts_with('[')) return Words();
    boost::system::error_code error;
    boost::json::parse_options options;
    options.allow_invalid_utf8 = true;
    const boost::json::value parsed =
        boost::json::parse(boost::json::string_view(text.data(), text.size()), error, {}, options);
    if (error || !parsed.is_array()) return Words();
    std::vector<std::string> words;
    for (const boost::json::value& element : parsed.get_array()) {
        if (!element.is_string())
            return fail(ErrorKind::invalid_dockerfile,
                        "when using JSON array syntax, arrays must be comprised of strings only");
        words.emplace_back(element.get_string().data(), element.get_string().size());
    }
    for (std::size_t at = whole.find('"'); at != whole.npos;) { // all that is quoted is an element
        std::size_t end = at + 1;
        while (whole[end] != '"') end += whole[end] == '\\' ? 2 : 1;
        ranges.push_back({at, end + 1});
        at = whole.find('"', end + 1);
    }
    return Words(std::move(words));
}

} // namespace dbuild::dockerfile_parser
