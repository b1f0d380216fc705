// SPDX-License-Identifier: Apache-2.0
// The platform of this machine, in OCI's words.
#pragma once

#include <string>
#include <string_view>

namespace dbuild {

/// "linux/amd64", "linux/arm64", and so on.
std::string native_platform();

/// Whether a `--platform` value means this machine's platform and nothing else: "linux/amd64", "amd64", "x86_64",
/// "linux", "local". Doubtful ones (variants, lists) are not. Source: containerd/platforms Parse, buildx
/// util/platformutil.
bool names_native_platform(std::string_view text);

} // namespace dbuild
