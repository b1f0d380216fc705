// SPDX-License-Identifier: Apache-2.0
// Makes the tar of a layer another one in which nothing is younger than a given time. Everything else keeps its bytes.
// Source: BuildKit's util/converter/tarconverter, of which --output rewrite-timestamp=true makes use; a tar that Go
// wrote becomes the one that Go would write.
#pragma once

#include "cache/oci/layer_tar.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dbuild::cache::oci {

/// Takes a tar piece by piece and hands on the other one. Modification times later than `latest` become it; PAX records
/// of access, change and modification times that are later go.
class TimeClamp {
public:
    /// In: latest — seconds since 1970, from 0 to 8^11 - 1. sink — gets the tar piece by piece.
    TimeClamp(std::int64_t latest, ByteSink sink) : latest_(latest), sink_(std::move(sink)) {}

    /// Errors: corrupt — a header that is none; the sink's.
    Status write(std::string_view bytes);
    /// Errors: corrupt — the tar ended within a member.
    Status finish();

private:
    Status take_block(std::string_view block);
    Status take_header(std::string header);
    Status take_records();

    std::int64_t latest_;
    ByteSink sink_;
    std::string block_;             // a part of one
    std::uint64_t body_blocks_ = 0; // of the current member that are still to come
    struct Records {                // a PAX member that belongs to the next one
        std::string header, data;
        std::uint64_t size = 0; // bytes, without padding
    };
    std::optional<Records> records_;
    bool is_reading_records_ = false;
    bool drops_time_ = false;                 // the next member's time was in a record that went
    bool has_time_ = false;                   // the next member's time is in a record that stays
    std::optional<std::uint64_t> body_bytes_; // of the next member, as a record says
};

} // namespace dbuild::cache::oci
