// SPDX-License-Identifier: Apache-2.0
// Archives that ADD unpacks: which files are some, and what they hold. Nothing is written but a nameless scratch file;
// where the entries go, and what of them may not, is unpack.hpp's business.
#pragma once

#include "executors/in_process/copy.hpp"

#include <vector>

namespace dbuild::executors::in_process {

/// True if BuildKit takes the file for an archive: its first block, after gzip, bzip2, xz or zstd was undone, is a tar
/// header. In: file — open for reading, at any place. Errors: unavailable.
Result<bool> is_archive(const Fd& file);

/// The entries in the archive's order. `path` is clamped at the archive's root, "" that root; a hard link's target too.
/// Entries for "." are left out, as BuildKit does. In:     content — what the file's bytes are expected to be. Errors:
/// step_failed — damaged, or what no file system holds; transient — the file is another one; unavailable — scratch
/// file.
Result<std::vector<CopiedEntry>> read_archive(const Fd& file, const Digest& content);

} // namespace dbuild::executors::in_process
