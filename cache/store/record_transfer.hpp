// SPDX-License-Identifier: Apache-2.0
// The records of a store as one string, for an export. Format: docs/store_format.md "Exports". Packs and blobs travel
// beside them: transfer.hpp.
#pragma once

#include "cache/store/database.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace dbuild::cache::store {

enum class ExportFormat { first = 1, second = 2 };

struct EncodedRecords {
    std::string bytes;
    std::uint64_t count = 0;
};

/// In the second format. Errors: as Database's.
Result<EncodedRecords> encode_records(Database& database);

/// Adds the rows whose keys are not there yet, in one transaction. Out: how many were read.
/// Errors: corrupt — anything but the bytes of encode_records, and then nothing was added; as Database's.
Result<std::uint64_t> decode_records(std::string_view bytes, ExportFormat format, Database& database);

} // namespace dbuild::cache::store
