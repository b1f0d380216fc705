// SPDX-License-Identifier: Apache-2.0
// The one error type of dbuild: what kind of failure, what failed on what and why, and where in a source file.
// How a kind becomes an exit status is orchestrator/exit_code.hpp's business.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace dbuild {

/// A kind exists only where some code reacts differently to it.
enum class ErrorKind {
    usage,              // wrong command line
    invalid_dockerfile, // the Dockerfile or .dockerignore is wrong; `where` is set
    unsupported,        // correct, but not planned by this version: the build is handed to docker buildx whole
    not_found,
    unauthorized,
    transient,
    corrupt,     // bytes do not match their name: delete, count, treat as a miss
    unavailable, // a file, service or program cannot be used
    no_space,    // a disk is full: docker buildx builds without dbuild's files
    step_failed, // an instruction ran and failed; `where` is set
    interrupted,
    internal,
};

/// A place in a source text. Lines are 1-based, columns 0-based bytes; `last_line` >= `first_line`.
struct SourceSpan {
    std::string file;
    int first_line = 0;
    int last_line = 0;
    int column = 0;
    friend bool operator==(const SourceSpan&, const SourceSpan&) = default;
};

struct Error {
    ErrorKind kind = ErrorKind::internal;
    std::string message;              // what failed, on what, why; no trailing newline
    std::vector<std::string> context; // innermost first
    std::optional<SourceSpan> where;

    /// Adds one context line, by a caller who knows more.
    Error with(std::string line) && {
        context.push_back(std::move(line));
        return std::move(*this);
    }
};

} // namespace dbuild
