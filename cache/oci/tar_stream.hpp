// SPDX-License-Identifier: Apache-2.0
// The members of an archive in their order, without keeping any.
#pragma once

#include "cache/oci/byte_source.hpp"
#include "cache/oci/tar_header.hpp"

#include <functional>
#include <optional>
#include <string>

namespace dbuild::cache::oci {

class TarStream {
public:
    /// Errors: corrupt — there are not so many bytes; the source's.
    using PassOver = std::function<Status(std::uint64_t bytes)>;

    /// In: source — borrowed. pass_over — where it can do that without reading.
    explicit TarStream(const ByteSource& source, PassOver pass_over = nullptr)
        : source_(source), pass_over_(std::move(pass_over)) {}

    /// The next file, or nothing at the end of the archive. What was not read of the one before is passed over.
    /// Out:     its size is that of the PAX record before it, where there is one: Go writes a size of 8 GiB and more
    ///          only there.
    /// Errors:  corrupt — no tar, or cut off; the source's.
    Result<std::optional<TarMember>> next();

    /// Of the current member. Out: 0 — it has ended. Errors: corrupt — the archive is cut off; the source's.
    Result<std::size_t> read(char* buffer, std::size_t capacity);

private:
    Status read_whole(char* buffer, std::size_t size);
    Status skip(std::uint64_t bytes);
    Result<std::uint64_t> read_pax_size(std::uint64_t header_size);

    const ByteSource& source_;
    PassOver pass_over_;
    std::uint64_t left_ = 0, padding_ = 0; // of the current member
};

/// The target of a link as the PAX records before it say, or "". libarchive has none where nothing of it is ASCII: Go
/// leaves the field of the header empty then, and in the C locale the record cannot be converted. (Seen on 3.6.2.)
/// In:      tar — from the first header of the entry on; archive_read_header_position() says where that is.
/// Errors:  the source's.
Result<std::string> read_pax_link(const ByteSource& tar);

} // namespace dbuild::cache::oci
