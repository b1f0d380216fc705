// SPDX-License-Identifier: Apache-2.0
// The spellings of a platform, as FROM --platform and the command line take them.
#pragma once

#include "support/result.hpp"

#include <string>
#include <string_view>

namespace dbuild::dockerfile_parser {

/// The one spelling of a platform: "x86_64", "Linux/amd64" and "linux/amd64/v1" are "linux/amd64"; "aarch64" and
/// "linux/arm64/v8" are "linux/arm64"; "linux/arm" is "linux/arm/v7".
/// In:      text — OS, ARCHITECTURE, OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT; native — of the machine that builds,
///          normalized: the half that `text` leaves out is its own.
/// Errors:  invalid_dockerfile without `where`, in containerd's words.
/// Source:  containerd/platforms Parse and Normalize.
Result<std::string> normalized_platform(std::string_view text, std::string_view native);

} // namespace dbuild::dockerfile_parser
