// SPDX-License-Identifier: Apache-2.0
// Values such as "type=local,src=x": one line of CSV whose fields are NAME=VALUE or a bare word. A field with commas or
// quotes stands in double quotes, in which a quote is doubled. Source: encoding/csv of Go, by which docker reads them.
#pragma once

#include "support/result.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace dbuild::orchestrator {

struct Field {
    std::string name, value;
    bool is_bare = false; // a word without "=": it has no value
    friend bool operator==(const Field&, const Field&) = default;
};
/// In the order of the text.
using Fields = std::vector<Field>;

/// Errors: usage — a quote where none may stand, or one that is never closed. An empty text holds no fields.
Result<Fields> parse_fields(std::string_view text);

/// The last value of that name; empty if there is none.
std::string field_of(const Fields& fields, std::string_view name);

/// What parse_fields reads again.
std::string to_string(const Fields& fields);

/// The texts between commas, empty ones too; an empty text has none.
std::vector<std::string> split_list(std::string_view text);

} // namespace dbuild::orchestrator
