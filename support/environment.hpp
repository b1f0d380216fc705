// SPDX-License-Identifier: Apache-2.0
// The process's environment variables.
#pragma once

#include <string>

namespace dbuild {

/// The variable's value; "" where it is not set, which docker's programs do not tell from an empty one either.
std::string environment(const char* name);

} // namespace dbuild
