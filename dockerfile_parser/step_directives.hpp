// SPDX-License-Identifier: Apache-2.0
// What `# dbuild:` comments directly above an instruction ask of the cache: `# dbuild: ttl=24h no-cutoff`. To every
// other program they are comments. What is not understood is a warning, never an error. Meaning: docs/cache_key.md.
#pragma once

#include "support/result.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dbuild::dockerfile_parser {

struct StepDirectives {
    std::optional<std::chrono::nanoseconds> time_to_live; // ttl=DURATION: how long a result of this RUN may be used
    bool has_no_cutoff = false; // no-cutoff: steps after this one run again whenever it ran, be its outcome the same
};

/// Go's durations ("24h", "90m"), from 0 on, or "forever".
/// Errors:  invalid_dockerfile without `where`.
Result<std::chrono::nanoseconds> parse_time_to_live(std::string_view text);

/// In:      comments — what follows "dbuild:" in each comment, in order; words between blanks or commas. keyword — of
/// the
///          instruction, upper case.
///          warnings — takes a sentence for each word that means nothing there.
StepDirectives parse_step_directives(const std::vector<std::string>& comments, std::string_view keyword,
                                     std::vector<std::string>& warnings);

} // namespace dbuild::dockerfile_parser
