// SPDX-License-Identifier: Apache-2.0
#include "support/environment.hpp"

#include <cstdlib>

namespace dbuild {

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

} // namespace dbuild
