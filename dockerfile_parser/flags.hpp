// SPDX-License-Identifier: Apache-2.0
// The --flags of one instruction: declared with the place for their value, then filled from the words.
// Also "did you mean", which the command line uses too, and booleans and durations in Go syntax.
#pragma once

#include "support/result.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace dbuild::dockerfile_parser {

/// Borrows the places of the values; they must outlive parse().
class FlagSet {
public:
    FlagSet& add(std::string name, bool& value);
    FlagSet& add(std::string name, std::optional<bool>& value);
    FlagSet& add(std::string name, std::string& value);
    FlagSet& add(std::string name, std::vector<std::string>& values); // repeatable

    /// Errors:  invalid_dockerfile without `where`: unknown, repeated or malformed flag.
    Status parse(const std::vector<std::string>& words) const;

private:
    using Place = std::variant<bool*, std::optional<bool>*, std::string*, std::vector<std::string>*>;

    Status store(const Place& place, const std::string& name, const std::optional<std::string>& value) const;

    std::map<std::string, Place> places_;
};

enum class CaseRule { sensitive, insensitive };

/// " (did you mean x?)" for the nearest option at an edit distance below 3, else "". Source: buildkit util/suggest.
std::string suggestion(std::string_view value, const std::vector<std::string>& options, CaseRule rule);

/// Go's strconv.ParseBool: 1, t, true, 0, f, false in several cases; nothing for other texts.
std::optional<bool> parse_boolean(std::string_view text);

/// Go's time.ParseDuration: "1h30m", "1.5s", "-2us", "0".
Result<std::chrono::nanoseconds> parse_duration(std::string_view text);

} // namespace dbuild::dockerfile_parser
