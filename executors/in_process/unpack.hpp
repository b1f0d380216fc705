// SPDX-License-Identifier: Apache-2.0
// An archive's entries as changes of a PendingLayer. Names and links are followed with the destination as their root,
// so that no entry reaches anything beside it, whatever it is called. Source: docker's pkg/archive Unpack, as BuildKit
// 0.13 calls it in a chroot of the destination; --chown as BuildKit 0.25 takes it.
#pragma once

#include "executors/in_process/copy.hpp"

#include <functional>
#include <optional>
#include <span>

namespace dbuild::executors::in_process {

/// In:     destination — absolute; made 0755 with `owner` where it does not exist, and with what is missing above it.
///         owner — of --chown: also of everything that the archive holds; else that is as it says, and 0:0 are folders.
///         read_existing — see PendingLayer::link.
/// Errors: step_failed — an entry cannot be made: below a file, a hard link to nothing; what read_existing fails with.
Status unpack(std::span<const CopiedEntry> entries, const std::string& destination, const std::optional<Owner>& owner, PendingLayer& layer,
              const ExistingFileReader& read_existing);

} // namespace dbuild::executors::in_process
