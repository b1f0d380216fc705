// SPDX-License-Identifier: Apache-2.0
// Who owns what COPY --chown and WORKDIR make: the text of the flag or of USER, looked up in the image's accounts.
// Source: BuildKit's llb.WithUser and readUser: a name that is not there is 0, a user's number alone is also the
// group's.
#pragma once

#include "executors/in_process/pending_layer.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dbuild::executors::in_process {

/// The fields of one line of /etc/passwd or /etc/group.
using AccountLine = std::vector<std::string_view>;
/// In: file — its text, which the fields are parts of.
std::vector<AccountLine> account_lines(std::string_view file);

/// "user", "user:group", "user:", ":group"; numbers or names. In: text — not empty.
struct OwnerText {
    std::string user;
    std::optional<std::string> group;               // nothing: that of the user
    bool needs_passwd = false, needs_group = false; // holds a name other than root

    /// A user or group that is left out beside the colon is 0.
    static OwnerText parse(std::string_view text);
    /// In: passwd, group — the files' texts; empty where there are none, or none is needed.
    Owner look_up(std::string_view passwd_file, std::string_view group_file) const;
};

} // namespace dbuild::executors::in_process
