// SPDX-License-Identifier: Apache-2.0
// As whom a RUN is started: the text of USER, looked up in the image's accounts. Source: containerd's
// oci.WithUser and moby/sys/user GetExecUser, as BuildKit calls them (../shared/reference/executor.md §1.2).
#pragma once

#include "support/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dbuild::executors::runtime {

struct ProcessUser {
    std::uint32_t uid = 0, gid = 0;
    std::vector<std::uint32_t> groups; // supplementary, the primary one among them
    std::string home = "/";            // of the first account with that number
    friend bool operator==(const ProcessUser&, const ProcessUser&) = default;
};

/// In:      text — "", "user", "user:group"; names or numbers: what can be read as a number is never a name. passwd,
///          group — the files' texts, empty where there are none.
/// Errors:  step_failed — a name that is in neither, a number that Linux lacks; in BuildKit's words.
Result<ProcessUser> find_process_user(std::string_view text, std::string_view passwd, std::string_view group);

} // namespace dbuild::executors::runtime
