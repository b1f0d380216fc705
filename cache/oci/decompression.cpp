// SPDX-License-Identifier: Apache-2.0
#include "cache/oci/decompression.hpp"

#include "cache/oci/byte_source.hpp"
#include "cache/oci/libarchive_reader.hpp"
#include "support/gunzip.hpp"

#include <algorithm>
#include <memory>
#include <optional>

namespace dbuild::cache::oci {
namespace {

constexpr std::size_t k_buffer_bytes = std::size_t{1} << 18;
constexpr std::string_view k_gzip_mark = "\x1f\x8b\x08";
constexpr unsigned char k_has_header_checksum = 2; // of the flags, the byte behind the mark: RFC 1952 §2.3.1

/// libarchive's filters, by its reader for what is no archive.
class Filters {
public:
    explicit Filters(ByteSource blob) : blob_(std::move(blob)), decoder_(archive_read_new()) {
        support_filters(decoder_.get());
        archive_read_support_format_raw(decoder_.get());
        archive_read_support_format_empty(decoder_.get());
    }

    Status open() {
        archive_entry* whole = nullptr;
        const bool is_open = archive_read_open(decoder_.get(), this, nullptr, pull, nullptr) == ARCHIVE_OK &&
                             archive_read_next_header(decoder_.get(), &whole) == ARCHIVE_OK;
        if (blob_error_) return fail(*blob_error_);
        return is_open ? Status() : fail(ErrorKind::corrupt, "layer: an empty or unreadable blob");
    }

    Result<std::size_t> read(char* buffer, std::size_t capacity) {
        const auto count = archive_read_data(decoder_.get(), buffer, capacity);
        if (blob_error_) return fail(*blob_error_);
        if (count >= 0) return static_cast<std::size_t>(count);
        const char* text = archive_error_string(decoder_.get());
        return fail(ErrorKind::corrupt, std::string("layer: cannot decompress: ") + (text ? text : "unknown error"));
    }

private:
    static la_ssize_t pull(archive*, void* context, const void** data) {
        auto& self = *static_cast<Filters*>(context);
        auto count = self.blob_(self.buffer_.data(), self.buffer_.size());
        if (!count) {
            self.blob_error_ = std::move(count).error();
            return -1;
        }
        *data = self.buffer_.data();
        return static_cast<la_ssize_t>(*count);
    }

    ByteSource blob_;
    LibarchiveReader decoder_;
    std::string buffer_ = std::string(k_buffer_bytes, '\0');
    std::optional<Error> blob_error_;
};

} // namespace

bool is_compressed(std::string_view start) {
    constexpr std::string_view marks[] = {"\x1f\x8b", "\x28\xb5\x2f\xfd", {"\xfd\x37\x7a\x58\x5a\x00", 6}, "BZh"};
    return std::any_of(std::begin(marks), std::end(marks), [&](auto mark) { return start.starts_with(mark); });
}

Result<ByteSource> decompressed(const ByteSource& blob) {
    DBUILD_TRY_ASSIGN(auto start, read_start(blob, k_gzip_mark.size() + 1));
    // A header with a checksum ISA-L calls damaged if it comes in two pieces.
    const bool is_for_gunzip =
        start.starts_with(k_gzip_mark) && (static_cast<unsigned char>(start.back()) & k_has_header_checksum) == 0;
    auto whole =
        put_back(std::move(start), [&blob](char* buffer, std::size_t capacity) { return blob(buffer, capacity); });
    if (is_for_gunzip)
        if (std::shared_ptr<Gunzip> gunzip = Gunzip::create(whole))
            return [gunzip](char* buffer, std::size_t capacity) { return gunzip->read(buffer, capacity); };
    const auto filters = std::make_shared<Filters>(std::move(whole));
    DBUILD_TRY(filters->open());
    return [filters](char* buffer, std::size_t capacity) { return filters->read(buffer, capacity); };
}

} // namespace dbuild::cache::oci
