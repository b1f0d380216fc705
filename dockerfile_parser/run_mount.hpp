// SPDX-License-Identifier: Apache-2.0
// The value of one RUN --mount flag: CSV fields of KEY=VALUE, typed and checked once its variables can be expanded.
// Source: reference/buildkit-semantics.md §1.8; moby/buildkit frontend/dockerfile/instructions/commands_runmount.go.
#pragma once

#include "dockerfile_parser/expansion.hpp"
#include "support/result.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dbuild::dockerfile_parser {

enum class MountType { bind, cache, tmpfs, secret, ssh };
std::string_view to_string(MountType type);

struct RunMount {
    MountType type = MountType::bind;
    std::string target; // as written, perhaps relative to the working directory; empty: the type's default
    std::string from;   // stage name or image; empty: the build context (bind) or nothing (cache)
    std::string source; // path in `from`; of a secret: its id, in an old spelling
    std::string id;
    std::string sharing;          // "shared", "private", "locked", or "" for the default
    std::string environment_name; // of a secret that is a variable
    bool is_read_only = true;
    bool is_required = false;
    std::optional<std::uint32_t> mode;
    std::optional<std::uint32_t> uid, gid;
    std::optional<std::uint64_t> size_bytes; // of a tmpfs
};

/// In:      value — the flag's value, unexpanded; lookup, escape — for all of its values but `from`.
/// Errors:  invalid_dockerfile without `where`, in BuildKit's words.
Result<RunMount> parse_run_mount(std::string_view value, const VariableLookup& lookup, char escape);

/// The field `from` alone, which can be known before any variable; "" if there is none. Errors: as parse_run_mount.
Result<std::string> mount_from(std::string_view value);

/// The same flag value with another `from`. In: value — one for which mount_from is not empty.
std::string with_mount_from(std::string_view value, std::string_view from);

/// The comma-separated fields, without CSV quoting. Errors: invalid_dockerfile without `where`.
Result<std::vector<std::string>> split_mount_fields(std::string_view value);

} // namespace dbuild::dockerfile_parser
