// SPDX-License-Identifier: Apache-2.0
// Physical to logical lines, see source_text.hpp. Rules: moby/buildkit
// frontend/dockerfile/parser/{parser,directives}.go.
#include "dockerfile_parser/source_text.hpp"

#include "dockerfile_parser/unicode.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace dbuild::dockerfile_parser {

namespace {

// Go's bufio.MaxScanTokenSize - 1; BuildKit refuses longer physical lines.
constexpr std::size_t k_max_line_bytes = 65535;
constexpr std::string_view k_own_marker = "dbuild:"; // step_directives.hpp
constexpr std::string_view k_byte_order_mark = "\xEF\xBB\xBF";

struct Directive {
    std::string key; // lower case
    std::string value;
};

std::vector<std::string_view> split_lines(std::string_view text) {
    std::vector<std::string_view> lines;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        const std::size_t size = end == std::string_view::npos ? text.size() : end + 1;
        lines.push_back(text.substr(0, size));
        text.remove_prefix(size);
    }
    return lines;
}

std::string_view trim_line_end(std::string_view line) {
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
    return line;
}

bool is_comment(std::string_view line) { return trim_left(line).starts_with('#'); }

std::optional<Directive> parse_directive(std::string_view line, std::string_view marker) {
    if (!line.starts_with(marker)) return std::nullopt;
    line = trim_left(line.substr(marker.size()));
    std::size_t size = 0;
    while (size < line.size() && (is_ascii_letter(static_cast<unsigned char>(line[size])) ||
                                  (size > 0 && is_ascii_digit(static_cast<unsigned char>(line[size])))))
        ++size;
    if (size == 0) return std::nullopt;
    const std::string_view rest = trim_left(line.substr(size));
    if (!rest.starts_with('=')) return std::nullopt;
    const std::string_view value = trim(rest.substr(1));
    if (value.empty()) return std::nullopt;
    return Directive{ascii_lower(line.substr(0, size)), std::string(value)};
}

bool is_known(std::string_view key) { return key == "syntax" || key == "escape" || key == "check"; }

// `syntax` and `check` are looked up by another detector than `escape`: on raw lines, after a #! line.
std::string detect_directive(const std::vector<std::string_view>& lines, std::string_view key) {
    const std::size_t first = !lines.empty() && lines[0].starts_with("#!") ? 1 : 0;
    for (std::size_t i = first; i < lines.size(); ++i) {
        const auto directive = parse_directive(trim_line_end(lines[i]), "#");
        if (!directive || !is_known(directive->key)) break;
        if (directive->key == key) return directive->value;
    }
    return "";
}

bool has_foreign_syntax(std::string_view text, const std::vector<std::string_view>& lines) {
    const std::size_t first = !lines.empty() && lines[0].starts_with("#!") ? 1 : 0;
    for (std::size_t i = first; i < lines.size(); ++i) {
        const auto directive = parse_directive(trim_line_end(lines[i]), "//");
        if (!directive || !is_known(directive->key)) break;
        if (directive->key == "syntax") return true;
    }
    return trim_left(text).starts_with('{') && text.find("\"syntax\"") != std::string_view::npos;
}

} // namespace

Result<SourceReader> SourceReader::open(std::string_view text, std::string file_name) {
    SourceReader reader;
    reader.file_name_ = std::move(file_name);
    if (text.starts_with(k_byte_order_mark)) {
        text.remove_prefix(k_byte_order_mark.size());
        reader.mark_size_ = k_byte_order_mark.size();
    }
    reader.lines_ = split_lines(text);
    reader.syntax_ = detect_directive(reader.lines_, "syntax");
    reader.check_ = detect_directive(reader.lines_, "check");
    if (reader.syntax_.empty() && has_foreign_syntax(text, reader.lines_))
        return fail(ErrorKind::unsupported, "the syntax directive names a frontend for another file format",
                    reader.span(1, 1));
    return reader;
}

Result<std::string_view> SourceReader::take_line() {
    const std::string_view line = lines_[next_++];
    if (line.size() > k_max_line_bytes)
        return fail(ErrorKind::invalid_dockerfile,
                    fmt::format("dockerfile line greater than max allowed size of {}", k_max_line_bytes),
                    span(current_line(), current_line()));
    return line;
}

Status SourceReader::note_directive(std::string_view line) {
    if (directives_are_over_) return {};
    const auto directive = parse_directive(line, "#");
    if (!directive || !is_known(directive->key)) {
        directives_are_over_ = true;
        return {};
    }
    const SourceSpan where = span(current_line(), current_line());
    if (std::find(seen_directives_.begin(), seen_directives_.end(), directive->key) != seen_directives_.end())
        return fail(ErrorKind::invalid_dockerfile,
                    fmt::format("only one {} parser directive can be used", directive->key), where);
    seen_directives_.push_back(directive->key);
    if (directive->key != "escape") return {};
    if (directive->value != "`" && directive->value != "\\")
        return fail(ErrorKind::invalid_dockerfile,
                    fmt::format("invalid escape token '{}' does not match ` or \\", directive->value), where);
    escape_ = directive->value[0];
    return {};
}

// An escape character before the last one makes the last ordinary, also when it is itself escaped: BuildKit's rule.
bool SourceReader::take_continuation(std::string_view& line) const {
    std::string_view head = line;
    while (!head.empty() && (head.back() == ' ' || head.back() == '\t')) head.remove_suffix(1);
    if (head.empty() || head.back() != escape_) return false;
    head.remove_suffix(1);
    if (!head.empty() && head.back() == escape_) return false;
    line = head;
    return true;
}

LinePart SourceReader::part(std::string_view piece, std::size_t begin) const {
    const auto mark = current_line() == 1 ? mark_size_ : 0;
    return {begin, current_line(),
            static_cast<int>(piece.data() - lines_[next_ - 1].data() + static_cast<std::ptrdiff_t>(mark))};
}

Result<std::optional<LogicalLine>> SourceReader::next_line() {
    LogicalLine result;
    bool continues = false;
    while (!continues && result.text.empty()) {
        if (next_ == lines_.size()) return std::optional<LogicalLine>();
        DBUILD_TRY_ASSIGN(std::string_view line, take_line());
        line = trim_left(trim_line_end(line));
        const bool is_above_instruction = directives_are_over_ || current_line() > 1;
        DBUILD_TRY(note_directive(line));
        if (line.starts_with('#')) {
            const auto directive = parse_directive(line, "#");
            if (is_above_instruction && directive && directive->key == "check") result.check = directive->value;
            result.comment = trim(line.substr(1));
            if (std::string_view(result.comment).starts_with(k_own_marker))
                result.directives.emplace_back(result.comment.substr(k_own_marker.size()));
            continue;
        }
        if (line.empty()) {
            result.check.clear();
            result.directives.clear();
        }
        continues = take_continuation(line);
        result.text = line;
        result.parts = {part(line, 0)};
        result.first_line = current_line();
    }
    while (continues && next_ < lines_.size()) {
        DBUILD_TRY_ASSIGN(std::string_view line, take_line());
        line = trim_line_end(line);
        if (is_comment(line)) continue;
        if (trim_left(line).empty()) {
            result.has_empty_continuation = true;
            continue;
        }
        continues = take_continuation(line);
        result.parts.push_back(part(line, result.text.size()));
        result.text += line;
    }
    return std::optional<LogicalLine>(std::move(result));
}

Result<std::optional<std::string>> SourceReader::read_until(std::string_view terminator, bool strips_tabs) {
    std::string body;
    while (next_ < lines_.size()) {
        DBUILD_TRY_ASSIGN(std::string_view line, take_line());
        std::string_view candidate = trim_line_end(line);
        if (strips_tabs) {
            while (candidate.starts_with('\t')) candidate.remove_prefix(1);
        }
        if (candidate == terminator) return std::optional<std::string>(std::move(body));
        body += line;
    }
    return std::optional<std::string>();
}

std::string SourceReader::source(int first_line, int last_line) const {
    std::string result;
    for (int line = first_line; line <= last_line; ++line) result += lines_[static_cast<std::size_t>(line) - 1];
    return std::string(trim_line_end(result));
}

} // namespace dbuild::dockerfile_parser
