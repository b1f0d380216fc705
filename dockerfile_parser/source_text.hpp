// SPDX-License-Identifier: Apache-2.0
// From bytes to logical lines: parser directives, byte-order mark, comments, continuations; and raw heredoc bodies.
// What the lines mean is left to syntax_tree.hpp. Used inside of this folder only.
#pragma once

#include "support/result.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dbuild::dockerfile_parser {

/// Where a part of a logical line stands: from `begin` on, to the next part.
struct LinePart {
    std::size_t begin = 0; // in the logical line
    int line = 0;          // 1-based
    int column = 0;        // 0-based bytes
};

struct LogicalLine {
    std::vector<LinePart> parts;         // one for each physical line in it, in order
    std::string text;                    // joined, without leading blanks and continuation characters
    int first_line = 0;                  // 1-based
    bool has_empty_continuation = false; // an empty line within it, which a later version of BuildKit will refuse
    std::string check;                   // value of a `# check=` comment directly above, not the file's directive
    std::vector<std::string> directives; // what follows "dbuild:" in comments directly above, in order
    std::string comment;                 // the last comment line between this and the line before, "" if there is none
};

/// Reads a Dockerfile from top to bottom; borrows the text.
class SourceReader {
public:
    /// Errors:  unsupported — a syntax directive in a form that only foreign frontends understand.
    static Result<SourceReader> open(std::string_view text, std::string file_name);

    /// The next line that is neither empty nor a comment; nothing at the end.
    Result<std::optional<LogicalLine>> next_line();

    /// The physical lines up to the one that is exactly `terminator`, with their line ends; nothing when none is.
    Result<std::optional<std::string>> read_until(std::string_view terminator, bool strips_tabs);

    /// Last line that was read, 1-based; 0 before the first.
    int current_line() const { return static_cast<int>(next_); }

    /// Physical lines as written, without the final line end.
    std::string source(int first_line, int last_line) const;

    SourceSpan span(int first_line, int last_line) const { return {file_name_, first_line, last_line, 0}; }

    const std::string& syntax() const { return syntax_; }
    const std::string& check() const { return check_; } // value of the `check` directive
    char escape() const { return escape_; }

private:
    Result<std::string_view> take_line();
    Status note_directive(std::string_view line);
    bool take_continuation(std::string_view& line) const;
    /// The place of a piece of the line that was taken last. In: begin — its place in the logical line.
    LinePart part(std::string_view piece, std::size_t begin) const;

    std::string file_name_;
    std::vector<std::string_view> lines_; // with their line ends
    std::size_t next_ = 0;
    std::size_t mark_size_ = 0; // of the byte-order mark, which is no part of the first line
    std::string syntax_, check_;
    char escape_ = '\\';
    bool directives_are_over_ = false;
    std::vector<std::string> seen_directives_;
};

} // namespace dbuild::dockerfile_parser
