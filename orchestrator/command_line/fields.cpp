// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/command_line/fields.hpp"

#include <fmt/format.h>

namespace dbuild::orchestrator {
namespace {

/// The field at the beginning of `rest`, without its quotes; `rest` is what comes after it.
Result<std::string> take_field(std::string_view& rest, std::string_view whole) {
    std::string field;
    if (!rest.starts_with('"')) {
        field = rest.substr(0, rest.find(','));
        rest.remove_prefix(field.size());
        if (field.find('"') != field.npos)
            return fail(ErrorKind::usage, fmt::format("a quote inside of a field: {}", whole));
        return field;
    }
    for (std::size_t i = 1; i < rest.size(); ++i) {
        if (rest[i] != '"') {
            field += rest[i];
        } else if (i + 1 < rest.size() && rest[i + 1] == '"') {
            field += rest[i++];
        } else {
            rest.remove_prefix(i + 1);
            if (rest.empty() || rest.front() == ',') return field;
            break;
        }
    }
    return fail(ErrorKind::usage, fmt::format("a quoted field does not end: {}", whole));
}

} // namespace

Result<Fields> parse_fields(std::string_view text) {
    Fields fields;
    if (text.empty()) return fields;
    for (auto rest = text;;) {
        DBUILD_TRY_ASSIGN(const auto field, take_field(rest, text));
        const auto equals = field.find('=');
        const bool is_bare = equals == field.npos;
        fields.push_back({field.substr(0, equals), is_bare ? "" : field.substr(equals + 1), is_bare});
        if (rest.empty()) return fields;
        rest.remove_prefix(1); // the comma
    }
}

std::string field_of(const Fields& fields, std::string_view name) {
    for (auto field = fields.rbegin(); field != fields.rend(); ++field)
        if (field->name == name) return field->value;
    return {};
}

std::string to_string(const Fields& fields) {
    std::string text;
    for (const auto& [name, value, is_bare] : fields) {
        auto field = is_bare ? name : name + "=" + value;
        if (field.find_first_of(",\"") != field.npos) {
            for (std::size_t i = 0; i < field.size(); ++i)
                if (field[i] == '"') field.insert(i++, 1, '"');
            field = '"' + field + '"';
        }
        if (!text.empty()) text += ',';
        text += field;
    }
    return text;
}

std::vector<std::string> split_list(std::string_view text) {
    std::vector<std::string> parts;
    if (text.empty()) return parts;
    for (;;) {
        const auto comma = text.find(',');
        parts.emplace_back(text.substr(0, comma));
        if (comma == text.npos) return parts;
        text.remove_prefix(comma + 1);
    }
}

} // namespace dbuild::orchestrator
