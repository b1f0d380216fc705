// SPDX-License-Identifier: Apache-2.0
#include "dockerfile_parser/step_directives.hpp"

#include "dockerfile_parser/flags.hpp"
#include "dockerfile_parser/unicode.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace dbuild::dockerfile_parser {
namespace {

constexpr std::string_view k_separators = " \t,";

bool makes_layer(std::string_view keyword) {
    return keyword == "RUN" || keyword == "COPY" || keyword == "ADD" || keyword == "WORKDIR";
}

/// Takes one word. Errors: invalid_dockerfile — it means nothing above this instruction.
Status take(std::string_view word, std::string_view keyword, StepDirectives& directives) {
    const auto equals = std::min(word.find('='), word.size());
    const auto name = word.substr(0, equals);
    const bool has_value = equals < word.size();
    if (name != "ttl" && name != "no-cutoff")
        return fail(ErrorKind::invalid_dockerfile,
                    "no such directive" + suggestion(name, {"ttl", "no-cutoff"}, CaseRule::insensitive));
    if (name == "ttl") {
        if (keyword != "RUN") return fail(ErrorKind::invalid_dockerfile, "ttl is for RUN");
        DBUILD_TRY_ASSIGN(directives.time_to_live, parse_time_to_live(has_value ? word.substr(equals + 1) : ""));
        return {};
    }
    if (!makes_layer(keyword))
        return fail(ErrorKind::invalid_dockerfile, "no-cutoff is for RUN, COPY, ADD and WORKDIR");
    if (has_value) return fail(ErrorKind::invalid_dockerfile, "no-cutoff takes no value");
    directives.has_no_cutoff = true;
    return {};
}

} // namespace

Result<std::chrono::nanoseconds> parse_time_to_live(std::string_view text) {
    if (text == "forever") return std::chrono::nanoseconds::max();
    DBUILD_TRY_ASSIGN(const auto duration, parse_duration(text));
    if (duration.count() < 0) return fail(ErrorKind::invalid_dockerfile, "a time to live cannot be negative");
    return duration;
}

StepDirectives parse_step_directives(const std::vector<std::string>& comments, std::string_view keyword,
                                     std::vector<std::string>& warnings) {
    StepDirectives directives;
    for (const std::string_view comment : comments) {
        for (std::size_t begin = 0; begin < comment.size();) {
            const auto end = std::min(comment.find_first_of(k_separators, begin), comment.size());
            const auto word = comment.substr(begin, end - begin);
            begin = end + 1;
            if (word.empty()) continue;
            if (const Status taken = take(word, keyword, directives); !taken)
                warnings.push_back(fmt::format("\"# dbuild: {}\" is ignored: {}", word, taken.error().message));
        }
    }
    return directives;
}

} // namespace dbuild::dockerfile_parser
