// SPDX-License-Identifier: Apache-2.0
// How a user names a remote: dir:PATH[?max-size=SIZE][&mode=read].
#pragma once

#include "support/result.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace dbuild::cache::remote {

enum class Access { read_only, read_and_write };

struct RemoteUrl {
    std::string text; // as given, for messages
    std::filesystem::path path;
    std::uint64_t max_bytes = 10'000'000'000; // what GitHub keeps per repository: a folder that CI saves should fit
    Access access = Access::read_and_write;
};

/// Errors: usage — says what is wrong.
Result<RemoteUrl> parse_remote_url(std::string_view text);

} // namespace dbuild::cache::remote
