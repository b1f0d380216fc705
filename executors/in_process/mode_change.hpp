// SPDX-License-Identifier: Apache-2.0
// What --chmod does to a mode: octal digits, or chmod(1)'s symbols ("u=rwX,go-w").
// Source: what Docker 28.5.2 made of some sixty changes of eleven modes; where it is not chmod(1): names of classes
// left out mean all of them, whatever the umask; a class copied to another one keeps that one's set-id bit; "=t" is
// "+t".
#pragma once

#include "support/result.hpp"

#include <cstdint>
#include <string_view>
#include <vector>

namespace dbuild::executors::in_process {

class ModeChange {
public:
    /// In:      text — not empty. Errors: invalid_dockerfile, without `where`.
    static Result<ModeChange> parse(std::string_view text);

    /// True for what engines before BuildKit 0.16 do not know.
    bool is_symbolic() const { return !changes_.empty(); }
    /// In and out: 12 bits.
    std::uint32_t apply(std::uint32_t mode, bool is_directory) const;

private:
    struct Change {
        std::uint32_t classes = 0; // the bits that may change; 0: all
        char operation = '=';      // + - =
        std::uint32_t bits = 0;    // of all classes
        bool adds_search = false;  // X
        char copied_class = 0;     // u, g or o
    };
    static std::uint32_t apply(const Change& change, std::uint32_t mode, bool can_search);

    std::uint32_t octal_ = 0;
    std::vector<Change> changes_;
};

} // namespace dbuild::executors::in_process
