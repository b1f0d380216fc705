// SPDX-License-Identifier: Apache-2.0
// The exit status of every kind of error; docs/exit_codes.md says the same in words.
#pragma once

#include "support/error.hpp"

namespace dbuild::orchestrator {

inline constexpr int k_exit_internal_error = 70; // an exception that nobody caught: a bug

constexpr int exit_code_for(ErrorKind kind) {
    switch (kind) {
    case ErrorKind::usage: return 2;
    case ErrorKind::interrupted: return 130;
    case ErrorKind::invalid_dockerfile:
    case ErrorKind::unsupported:
    case ErrorKind::not_found:
    case ErrorKind::unauthorized:
    case ErrorKind::transient:
    case ErrorKind::corrupt:
    case ErrorKind::unavailable:
    case ErrorKind::no_space:
    case ErrorKind::step_failed:
    case ErrorKind::internal: break;
    }
    return 1;
}

} // namespace dbuild::orchestrator
