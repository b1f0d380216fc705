// SPDX-License-Identifier: Apache-2.0
#include "dockerfile_parser/lint_settings.hpp"

#include "dockerfile_parser/flags.hpp"
#include "dockerfile_parser/unicode.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace dbuild::dockerfile_parser {
namespace {

constexpr std::size_t k_most_parts = 3; // BuildKit takes the rest as the value of the third

void add_rules(std::string_view text, std::set<std::string>& rules, bool& is_all) {
    is_all = text == "all";
    while (!is_all && !text.empty()) {
        const auto comma = std::min(text.find(','), text.size());
        rules.emplace(text.substr(0, comma));
        text.remove_prefix(std::min(comma + 1, text.size()));
    }
}

} // namespace

Result<LintSettings> LintSettings::parse(std::string_view text) {
    LintSettings settings;
    text = text.substr(0, text.find(' '));
    for (std::size_t count = 1; !text.empty(); ++count) {
        const auto end = count < k_most_parts ? std::min(text.find(';'), text.size()) : text.size();
        const auto part = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        const auto name = part.substr(0, part.find('='));
        const auto value = part.substr(std::min(name.size() + 1, part.size()));
        const auto is_true = parse_boolean(value);
        if (name.size() == part.size() || (name != "skip" && name != "experimental" && name != "error"))
            return fail(ErrorKind::invalid_dockerfile,
                        fmt::format("failed to parse check options: invalid check option {}", quoted(name)));
        if (name == "error" && !is_true)
            return fail(
                ErrorKind::invalid_dockerfile,
                fmt::format("failed to parse check options: failed to parse check option {}: strconv.ParseBool: "
                            "parsing {}: invalid syntax",
                            quoted(part), quoted(value)));
        if (name == "error") settings.warnings_are_errors = *is_true;
        if (name == "skip") add_rules(value, settings.skipped, settings.skips_all);
        if (name == "experimental") add_rules(value, settings.experimental, settings.tries_all);
    }
    return settings;
}

} // namespace dbuild::dockerfile_parser
