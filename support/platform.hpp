// SPDX-License-Identifier: Apache-2.0
// The platform of this machine, in OCI's words.
#pragma once

#include <string>

namespace dbuild {

/// "linux/amd64", "linux/arm64", and so on. Other spellings: dockerfile_parser/platform.hpp.
std::string native_platform();

} // namespace dbuild
