// SPDX-License-Identifier: Apache-2.0
// Following links along a path, never out of a root: for a folder of this machine, for merged layers, and for a layer
// that is being made.
#pragma once

#include "support/result.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace dbuild::cache::oci {

/// In:      path — without a slash at its ends: what stands there. Out: the target of a link; nothing for all else.
/// Errors:  end the walk; whether a path that does not exist is one is for whoever looks to say.
using LinkLookup = std::function<Result<std::optional<std::string>>(const std::string& path)>;

/// The path that a path means when every link in it is followed, the last one too.
/// In:      path — from `top` on; "." and empty parts are skipped. top — neither ".." nor a link leads out of it; "":
/// the
///          root folder.
/// Errors:  not_found — more than 255 links, where BuildKit gives up as well: `"/x": too many links`; the lookup's.
Result<std::string> follow_links(std::string_view path, const LinkLookup& link_at, const std::string& top = {});

} // namespace dbuild::cache::oci
