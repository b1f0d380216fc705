// SPDX-License-Identifier: Apache-2.0
#include "dockerfile_parser/diagnostics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <vector>

namespace dbuild::dockerfile_parser {
namespace {

constexpr int k_context_lines = 2;

std::vector<std::string_view> split_lines(std::string_view text) {
    std::vector<std::string_view> lines;
    while (!text.empty()) {
        const auto end = text.find('\n');
        auto line = text.substr(0, end);
        if (line.ends_with('\r')) line.remove_suffix(1);
        lines.push_back(line);
        text = end == text.npos ? std::string_view() : text.substr(end + 1);
    }
    return lines;
}

} // namespace

std::string excerpt(std::string_view source_text, const SourceSpan& where) {
    const auto lines = split_lines(source_text);
    const int count = static_cast<int>(lines.size());
    if (where.first_line < 1 || where.first_line > count) return {};
    const int first = std::max(1, where.first_line - k_context_lines);
    const int last = std::min(count, std::max(where.first_line, where.last_line) + k_context_lines);
    const auto name = std::filesystem::path(where.file).filename().string();
    constexpr std::string_view rule = "--------------------\n";
    std::string text = fmt::format("{}:{}\n{}", name, where.first_line, rule);
    for (int number = first; number <= last; ++number) {
        const bool is_marked = number >= where.first_line && number <= std::max(where.first_line, where.last_line);
        text += fmt::format("{:4} | {} {}\n", number, is_marked ? ">>>" : "   ",
                            lines[static_cast<std::size_t>(number) - 1]);
    }
    return text + std::string(rule.substr(0, rule.size() - 1));
}

} // namespace dbuild::dockerfile_parser
