// SPDX-License-Identifier: Apache-2.0
// Base64 with padding, by OpenSSL. Source: RFC 4648 §4.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace dbuild {

std::string base64_encode(std::string_view bytes);

/// Holds nothing for what is no base64.
std::optional<std::string> base64_decode(std::string_view text);

} // namespace dbuild
