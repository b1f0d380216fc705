// SPDX-License-Identifier: Apache-2.0
// Sources of bytes: of a file, of a text; and reading one to its end, checked against a descriptor.
#pragma once

#include "cache/oci/image.hpp"
#include "cache/oci/layer_tar.hpp"

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace dbuild::cache::oci {

/// Reads a file; it stays open as long as the source lives. Errors: not_found, unavailable.
Result<ByteSource> file_source(const std::filesystem::path& path);

/// Hands the whole file to the sink, piece by piece. Errors: as open_for_reading; the sink's.
Status send_file(const std::filesystem::path& path, const ByteSink& sink);

/// In: text — borrowed.
ByteSource text_source(std::string_view text);

/// `count` bytes of the source, or all that it has. Errors: the source's.
Result<std::string> read_start(const ByteSource& source, std::size_t count);

/// A source as it was before its start was read. In: rest — the source since then.
ByteSource put_back(std::string start, ByteSource rest);

/// Turns a reader that pushes into a source that is pulled from: `push` runs in a thread of its own, behind a pipe.
/// Out: what `pull` gives. Errors: those of push, before those of pull; unavailable — no pipe.
Status pull_what_is_pushed(const std::function<Status(const ByteSink&)>& push,
                           const std::function<Status(const ByteSource&)>& pull);

/// Hands everything to `sink`. Errors: corrupt — other bytes than the descriptor says, or another number; those of
/// both.
Status copy_checked(const ByteSource& source, const Descriptor& blob, const ByteSink& sink);

} // namespace dbuild::cache::oci
