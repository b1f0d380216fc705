// SPDX-License-Identifier: Apache-2.0
// Bytes to pack, and gzip's own program to compare with.
#pragma once

#include "support/process.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>

namespace dbuild {

/// Bytes that no program makes shorter, the same on every machine.
inline std::string noise(std::size_t bytes, std::uint32_t seed) {
    std::string text;
    for (auto state = seed; text.size() < bytes;) {
        state = state * 1664525 + 1013904223;
        text += static_cast<char>(state >> 24);
    }
    return text;
}

/// What `gzip OPTION` makes of the input; it must succeed.
inline std::string by_gzip(const char* option, std::string input) {
    std::string output;
    const auto done = run_process(
        {{"gzip", option}, std::move(input)}, [&](std::string_view bytes) { output += bytes; },
        [](std::string_view message) { MESSAGE(message); });
    REQUIRE(done);
    CHECK(done->exit_status == 0);
    return output;
}

} // namespace dbuild
