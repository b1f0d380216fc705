// SPDX-License-Identifier: Apache-2.0
// Words of a command line to flags and positional words, by the grammar of docker's own program (Go's pflag): "--name
// value",
// "--name=value", "-n value", "-nvalue", "-n=value", short flags joined ("-qt name"), booleans that take a value only
// after
// "=", flags among the positional words, "--" as the end of flags. No abbreviations. CLI11 and getopt_long differ in
// several of these, and a drop-in may not. What a flag means is for the caller.
#pragma once

#include "support/result.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dbuild::orchestrator {

enum class FlagValue { boolean, text };

struct Flag {
    std::string_view name; // without dashes
    char short_name = 0;   // 0: none
    FlagValue value = FlagValue::text;
    std::string_view third = {}; // what a boolean may be besides true and false
};

/// One use of a flag on the command line.
struct FlagUse {
    std::size_t flag = 0; // index into the flags that were given
    std::string value;    // "true", "false" or its third value for a boolean
    std::size_t first_word = 0;
    std::size_t word_count = 1; // words of the command line that it takes
};

struct ParsedWords {
    std::vector<FlagUse> uses; // in the order of the command line
    std::vector<std::string> positionals;
};

/// Errors: usage — an unknown flag (with a suggestion), a missing value, a boolean that is none; names the flag.
Result<ParsedWords> parse_words(std::span<const Flag> flags, std::span<const std::string> words);

} // namespace dbuild::orchestrator
