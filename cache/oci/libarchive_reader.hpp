// SPDX-License-Identifier: Apache-2.0
// libarchive's reader as everything here uses it.
#pragma once

#include <archive.h>

#include <memory>

namespace dbuild::cache::oci {

struct LibarchiveDeleter {
    void operator()(archive* handle) const { archive_read_free(handle); }
};
using LibarchiveReader = std::unique_ptr<archive, LibarchiveDeleter>;

/// The ways in which layers, and archives of ADD, are compressed.
inline void support_filters(archive* reader) {
    archive_read_support_filter_gzip(reader);
    archive_read_support_filter_bzip2(reader);
    archive_read_support_filter_xz(reader);
    archive_read_support_filter_zstd(reader);
}

} // namespace dbuild::cache::oci
