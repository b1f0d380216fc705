// SPDX-License-Identifier: Apache-2.0
// How a user names a remote: dir:PATH[?max-size=SIZE][&mode=read][&max-requests=NUMBER].
#pragma once

#include "support/result.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace dbuild::cache::remote {

enum class Access { read_only, read_and_write };

struct RemoteUrl {
    std::string text; // as given, for messages
    std::filesystem::path path;
    std::uint64_t max_bytes = 10'000'000'000; // what GitHub keeps per repository: a folder that CI saves should fit
    Access access = Access::read_and_write;
    std::optional<std::uint64_t> max_requests; // of one build; nothing: as many as it takes
};

/// Errors: usage — says what is wrong.
Result<RemoteUrl> parse_remote_url(std::string_view text);

} // namespace dbuild::cache::remote
