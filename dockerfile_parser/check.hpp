// SPDX-License-Identifier: Apache-2.0
// Everything that can be said of a Dockerfile without building it: all its errors, and lint warnings where it has none.
// Printing is left to the orchestrator.
#pragma once

#include "dockerfile_parser/dockerignore.hpp"
#include "support/result.hpp"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dbuild::dockerfile_parser {

struct Diagnostic {
    enum class Severity { error, warning };
    Severity severity = Severity::error;
    std::string rule; // of a warning; "" for an error
    std::string message;
    SourceSpan where; // column of the word that the message names, else of the instruction
    int length = 1;   // bytes from there that belong together, on the first line
};

struct CheckReport {
    std::vector<Diagnostic> diagnostics; // in file order
    bool warnings_are_errors = false;    // by the `check` directive

    int error_count() const;
    int warning_count() const;
    bool has_failed() const { return error_count() > 0 || (warnings_are_errors && warning_count() > 0); }
};

/// What a base image's configuration says, where it is asked for.
struct BaseImageFacts {
    std::map<std::string, std::string> environment;
    std::string platform; // "linux/amd64"
};

/// What is known besides the Dockerfile.
struct CheckContext {
    const IgnoreMatcher* ignored = nullptr;                        // of the build context; null: not known
    std::function<Status(const std::string& image)> is_image_name; // of base images, expanded; empty: all are taken
    /// In: image — expanded. Out: nothing: not known, as without the function.
    std::function<std::optional<BaseImageFacts>(const std::string& image)> find_base;
    std::map<std::string, std::string> build_arguments;
    std::string platform = "linux/amd64"; // the target's, normalized: a file is judged alike on every machine
};

/// In:      text — the bytes of the file; file_name — for places. Errors of several instructions are all found; a text
///          that ends within a heredoc or has a wrong directive ends the search.
///          All stages are judged, needed or not, as far as that goes without a build.
CheckReport check_dockerfile(std::string_view text, const std::string& file_name, const CheckContext& context = {});

/// Each diagnostic as a compiler prints it: "FILE:LINE:COLUMN: error: …" (column from 1), the line, and a caret under
/// it.
std::string to_text(const std::vector<Diagnostic>& diagnostics, std::string_view source_text);

} // namespace dbuild::dockerfile_parser
