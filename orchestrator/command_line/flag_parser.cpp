// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/command_line/flag_parser.hpp"

#include "dockerfile_parser/flags.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace dbuild::orchestrator {
namespace {

class WordReader {
public:
    WordReader(std::span<const Flag> flags, std::span<const std::string> words) : flags_(flags), words_(words) {}

    Result<ParsedWords> read() {
        for (; next_ < words_.size(); ++next_) {
            const std::string_view word = words_[next_];
            if (word == "--") {
                parsed_.positionals.insert(parsed_.positionals.end(),
                                           words_.begin() + static_cast<std::ptrdiff_t>(next_) + 1, words_.end());
                break;
            }
            if (word.size() < 2 || word.front() != '-')
                parsed_.positionals.emplace_back(word);
            else
                DBUILD_TRY(word[1] == '-' ? read_long(word) : read_short(word));
        }
        return std::move(parsed_);
    }

private:
    Status read_long(std::string_view word) {
        const auto equals = word.find('=');
        const auto name = word.substr(2, equals == word.npos ? word.npos : equals - 2);
        const auto flag =
            std::find_if(flags_.begin(), flags_.end(), [&](const Flag& known) { return known.name == name; });
        if (flag == flags_.end()) return unknown(name);
        std::optional<std::string_view> value;
        if (equals != word.npos) value = word.substr(equals + 1);
        return use(*flag, fmt::format("--{}", name), value);
    }

    /// One or several short flags in a word; the first that takes a value takes the rest.
    Status read_short(std::string_view word) {
        for (auto rest = word.substr(1); !rest.empty();) {
            const char name = rest.front();
            rest.remove_prefix(1);
            const auto flag =
                std::find_if(flags_.begin(), flags_.end(), [&](const Flag& known) { return known.short_name == name; });
            if (flag == flags_.end())
                return fail(ErrorKind::usage,
                            fmt::format("unknown flag -{}{}", name, rest.empty() ? "" : fmt::format(" in {}", word)));
            std::optional<std::string_view> value;
            if (rest.starts_with('='))
                value = rest.substr(1);
            else if (flag->value == FlagValue::text && !rest.empty())
                value = rest;
            DBUILD_TRY(use(*flag, fmt::format("-{}", name), value));
            if (value) break;
        }
        return {};
    }

    Status use(const Flag& flag, const std::string& shown, std::optional<std::string_view> value) {
        FlagUse result{static_cast<std::size_t>(&flag - flags_.data()), {}, next_, 1};
        if (flag.value == FlagValue::boolean) {
            const auto parsed = dockerfile_parser::parse_boolean(value.value_or("true"));
            const bool is_third = !flag.third.empty() && value == flag.third;
            if (!parsed && !is_third)
                return fail(ErrorKind::usage,
                            fmt::format("{}: \"{}\" is neither true nor false{}", shown, *value,
                                        flag.third.empty() ? "" : fmt::format(" nor {}", flag.third)));
            result.value = is_third ? flag.third : *parsed ? "true" : "false";
        } else if (value) {
            result.value = *value;
        } else if (next_ + 1 < words_.size()) {
            result.value = words_[++next_];
            result.word_count = 2;
        } else {
            return fail(ErrorKind::usage, shown + " needs a value");
        }
        parsed_.uses.push_back(std::move(result));
        return {};
    }

    Status unknown(std::string_view name) const {
        std::vector<std::string> names;
        for (const auto& flag : flags_) names.push_back("--" + std::string(flag.name));
        const auto shown = "--" + std::string(name);
        return fail(ErrorKind::usage,
                    fmt::format("unknown flag {}{}", shown,
                                dockerfile_parser::suggestion(shown, names, dockerfile_parser::CaseRule::insensitive)));
    }

    std::span<const Flag> flags_;
    std::span<const std::string> words_;
    std::size_t next_ = 0;
    ParsedWords parsed_;
};

} // namespace

Result<ParsedWords> parse_words(std::span<const Flag> flags, std::span<const std::string> words) {
    return WordReader(flags, words).read();
}

} // namespace dbuild::orchestrator
