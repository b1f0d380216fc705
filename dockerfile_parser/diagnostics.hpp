// SPDX-License-Identifier: Apache-2.0
// Shows an error's place in its source text. Colours and printing are left to the orchestrator.
#pragma once

#include "support/error.hpp"

#include <string>
#include <string_view>

namespace dbuild::dockerfile_parser {

/// The span's lines, marked with ">>>", and up to two lines before and after, with line numbers, between two rules,
/// headed by file name and line, as BuildKit prints it. "" when the span lies outside of the text.
std::string excerpt(std::string_view source_text, const SourceSpan& where);

} // namespace dbuild::dockerfile_parser
