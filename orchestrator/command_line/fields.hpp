// SPDX-License-Identifier: Apache-2.0
// Values such as "type=local,src=x": one line of CSV whose fields are NAME=VALUE or a bare word. A field with commas or
// quotes stands in double quotes, in which a quote is doubled. Source: encoding/csv of Go, by which docker reads them.
#pragma once

#include "support/result.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dbuild::orchestrator {

/// Names and values in the order of the text; a bare word is a name with an empty value.
using Fields = std::vector<std::pair<std::string, std::string>>;

/// Errors: usage — a quote where none may stand, or one that is never closed. An empty text holds no fields.
Result<Fields> parse_fields(std::string_view text);

/// The last value of that name; empty if there is none.
std::string field_of(const Fields& fields, std::string_view name);

/// What parse_fields reads again.
std::string to_string(const Fields& fields);

} // namespace dbuild::orchestrator
