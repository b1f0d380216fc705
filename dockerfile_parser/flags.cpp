// SPDX-License-Identifier: Apache-2.0
// Flags, suggestions, durations, see flags.hpp. Rules: moby/buildkit frontend/dockerfile/instructions/bflag.go.
#include "dockerfile_parser/flags.hpp"

#include "dockerfile_parser/unicode.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>
#include <set>

namespace dbuild::dockerfile_parser {

namespace {

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
        }
    }
    return row[b.size()];
}

std::string with_case_of(const std::string& option, std::string_view original) {
    if (original == ascii_lower(original)) return ascii_lower(option);
    if (original == ascii_upper(original)) return ascii_upper(option);
    return option;
}

struct Unit {
    std::string_view name;
    long double nanoseconds;
};
constexpr std::array<Unit, 8> k_units = {{{"ns", 1.0L},
                                          {"us", 1e3L},
                                          {"\xC2\xB5s", 1e3L},
                                          {"\xCE\xBCs", 1e3L},
                                          {"ms", 1e6L},
                                          {"s", 1e9L},
                                          {"m", 60e9L},
                                          {"h", 3600e9L}}};

} // namespace

FlagSet& FlagSet::add(std::string name, bool& value) {
    places_[std::move(name)] = &value;
    return *this;
}
FlagSet& FlagSet::add(std::string name, std::optional<bool>& value) {
    places_[std::move(name)] = &value;
    return *this;
}
FlagSet& FlagSet::add(std::string name, std::string& value) {
    places_[std::move(name)] = &value;
    return *this;
}
FlagSet& FlagSet::add(std::string name, std::vector<std::string>& values) {
    places_[std::move(name)] = &values;
    return *this;
}

Status FlagSet::store(const Place& place, const std::string& name, const std::optional<std::string>& value) const {
    const bool is_bool = std::holds_alternative<bool*>(place) || std::holds_alternative<std::optional<bool>*>(place);
    if (is_bool ? (value && value->empty()) : !value)
        return fail(ErrorKind::invalid_dockerfile, fmt::format("missing a value on flag: {}", name));
    if (const auto* text = std::get_if<std::string*>(&place)) {
        **text = *value;
        return {};
    }
    if (const auto* list = std::get_if<std::vector<std::string>*>(&place)) {
        (*list)->push_back(*value);
        return {};
    }
    const std::string word = ascii_lower(value.value_or("true"));
    if (word != "true" && word != "false")
        return fail(ErrorKind::invalid_dockerfile,
                    fmt::format("expecting boolean value for flag {}, not: {}", name, *value));
    if (const auto* plain = std::get_if<bool*>(&place)) **plain = word == "true";
    if (const auto* optional = std::get_if<std::optional<bool>*>(&place)) **optional = word == "true";
    return {};
}

Status FlagSet::parse(const std::vector<std::string>& words) const {
    std::set<std::string> used;
    for (const std::string& word : words) {
        // Quotes are already removed, so a quoted "--" reaches this place.
        if (!word.starts_with("--"))
            return fail(ErrorKind::invalid_dockerfile, fmt::format("arg should start with -- : {}", word));
        const std::size_t equals = word.find('=');
        const std::string name = word.substr(2, equals == std::string::npos ? equals : equals - 2);
        const auto place = places_.find(name);
        if (place == places_.end()) {
            std::vector<std::string> names;
            for (const auto& [known, unused] : places_) names.push_back(known);
            return fail(ErrorKind::invalid_dockerfile,
                        fmt::format("unknown flag: --{}{}", name, suggestion(name, names, CaseRule::sensitive)));
        }
        const bool is_list = std::holds_alternative<std::vector<std::string>*>(place->second);
        if (!used.insert(name).second && !is_list)
            return fail(ErrorKind::invalid_dockerfile, fmt::format("duplicate flag specified: {}", name));
        std::optional<std::string> value;
        if (equals != std::string::npos) value = word.substr(equals + 1);
        DBUILD_TRY(store(place->second, name, value));
    }
    return {};
}

std::string suggestion(std::string_view value, const std::vector<std::string>& options, CaseRule rule) {
    const bool ignores_case = rule == CaseRule::insensitive;
    const std::string wanted = ignores_case ? ascii_lower(value) : std::string(value);
    std::string best;
    std::size_t best_distance = 3;
    for (const std::string& option : options) {
        const std::string candidate = ignores_case ? ascii_lower(option) : option;
        if (candidate == wanted) return "";
        const std::size_t distance = edit_distance(wanted, candidate);
        if (distance >= best_distance) continue;
        best = ignores_case ? with_case_of(option, value) : option;
        best_distance = distance;
    }
    return best.empty() ? "" : fmt::format(" (did you mean {}?)", best);
}

std::optional<bool> parse_boolean(std::string_view text) {
    for (const std::string_view yes : {"1", "t", "T", "true", "TRUE", "True"})
        if (text == yes) return true;
    for (const std::string_view no : {"0", "f", "F", "false", "FALSE", "False"})
        if (text == no) return false;
    return std::nullopt;
}

Result<std::chrono::nanoseconds> parse_duration(std::string_view text) {
    const auto invalid = [text] {
        return fail(ErrorKind::invalid_dockerfile, fmt::format("time: invalid duration {}", quoted(text)));
    };
    std::string_view rest = text;
    const bool is_negative = rest.starts_with('-');
    if (is_negative || rest.starts_with('+')) rest.remove_prefix(1);
    if (rest == "0") return std::chrono::nanoseconds(0);
    if (rest.empty()) return invalid();
    // 64 bits of mantissa: exact for every whole number of nanoseconds that fits.
    long double total = 0;
    while (!rest.empty()) {
        long double number = 0;
        long double scale = 1;
        bool has_digit = false, is_fraction = false;
        std::size_t i = 0;
        for (; i < rest.size() &&
               (is_ascii_digit(static_cast<unsigned char>(rest[i])) || (rest[i] == '.' && !is_fraction));
             ++i) {
            if (rest[i] == '.') {
                is_fraction = true;
                continue;
            }
            has_digit = true;
            number = number * 10 + (rest[i] - '0');
            if (is_fraction) scale *= 10;
        }
        if (!has_digit) return invalid();
        rest.remove_prefix(i);
        const std::string_view unit = rest.substr(0, rest.find_first_of(".0123456789"));
        if (unit.empty())
            return fail(ErrorKind::invalid_dockerfile, fmt::format("time: missing unit in duration {}", quoted(text)));
        const auto known =
            std::find_if(k_units.begin(), k_units.end(), [unit](const Unit& u) { return u.name == unit; });
        if (known == k_units.end())
            return fail(ErrorKind::invalid_dockerfile,
                        fmt::format("time: unknown unit {} in duration {}", quoted(unit), quoted(text)));
        total += number * known->nanoseconds / scale;
        if (total >= static_cast<long double>(std::numeric_limits<std::int64_t>::max())) return invalid();
        rest.remove_prefix(unit.size());
    }
    const auto count = static_cast<std::int64_t>(total);
    return std::chrono::nanoseconds(is_negative ? -count : count);
}

} // namespace dbuild::dockerfile_parser
