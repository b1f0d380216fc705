// SPDX-License-Identifier: Apache-2.0
#include "cache/oci/time_clamp.hpp"

#include "cache/oci/tar_header.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace dbuild::cache::oci {
namespace {

constexpr std::size_t k_block_bytes = 512;
constexpr std::size_t k_max_records_bytes = std::size_t{1} << 20; // Go's limit for such a member
constexpr char k_pax = 'x';

struct Field {
    std::size_t at, bytes;
};
constexpr Field k_size{124, 12}, k_mtime{136, 12}, k_checksum{148, 8};
constexpr std::size_t k_type_at = 156;

tl::unexpected<Error> not_a_tar() { return fail(ErrorKind::corrupt, "layer: a tar header is damaged"); }

/// Octal digits among blanks and zeros, or binary after a set highest bit. Errors: corrupt.
Result<std::int64_t> number_in(std::string_view header, Field field) {
    auto text = header.substr(field.at, field.bytes);
    if ((text.front() & 0x80) != 0) {
        std::uint64_t value = 0; // of two's complement the lowest bytes are all that matters
        for (const char c : text.substr(text.size() - sizeof value)) value = value << 8 | static_cast<unsigned char>(c);
        return static_cast<std::int64_t>(value);
    }
    text = text.substr(std::min(text.find_first_not_of(' '), text.size()));
    text = text.substr(0, text.find_first_of(std::string_view(" \0", 2)));
    if (text.empty()) return 0;
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 8);
    if (error != std::errc() || end != text.data() + text.size()) return not_a_tar();
    return value;
}

void put_octal(std::string& header, Field field, std::int64_t value) {
    header.replace(field.at, field.bytes - 1, fmt::format("{:0{}o}", value, field.bytes - 1));
    header[field.at + field.bytes - 1] = '\0';
}

void put_checksum(std::string& header) {
    header.replace(k_checksum.at, k_checksum.bytes, k_checksum.bytes, ' ');
    std::int64_t sum = 0;
    for (const char c : header) sum += static_cast<unsigned char>(c);
    put_octal(header, {k_checksum.at, k_checksum.bytes - 1}, sum); // a blank ends it
}

std::uint64_t blocks_of(std::uint64_t bytes) { return (bytes + k_block_bytes - 1) / k_block_bytes; }

bool is_time(std::string_view key) { return key == "mtime" || key == "atime" || key == "ctime"; }

} // namespace

Status TimeClamp::write(std::string_view bytes) {
    while (!bytes.empty()) {
        if (block_.empty() && body_blocks_ > 0 && !is_reading_records_ && bytes.size() >= k_block_bytes) {
            const auto blocks = std::min(body_blocks_, std::uint64_t{bytes.size() / k_block_bytes});
            DBUILD_TRY(sink_(bytes.substr(0, blocks * k_block_bytes)));
            bytes.remove_prefix(blocks * k_block_bytes);
            body_blocks_ -= blocks;
            continue;
        }
        const auto taken = std::min(k_block_bytes - block_.size(), bytes.size());
        block_ += bytes.substr(0, taken);
        bytes.remove_prefix(taken);
        if (block_.size() < k_block_bytes) return {};
        DBUILD_TRY(take_block(block_));
        block_.clear();
    }
    return {};
}

Status TimeClamp::finish() {
    if (block_.empty() && body_blocks_ == 0 && !records_) return {};
    return fail(ErrorKind::corrupt, "layer: its tar ends too early");
}

Status TimeClamp::take_block(std::string_view block) {
    if (body_blocks_ == 0) return take_header(std::string(block));
    --body_blocks_;
    if (!is_reading_records_) return sink_(block);
    records_->data += block;
    return body_blocks_ == 0 ? take_records() : Status{};
}

Status TimeClamp::take_header(std::string header) {
    if (header.find_first_not_of('\0') == header.npos) return sink_(header); // the end
    DBUILD_TRY_ASSIGN(const auto size, number_in(header, k_size));
    if (size < 0) return not_a_tar();
    const char type = header[k_type_at];
    const bool is_about_next = type == k_pax || type == 'g' || type == 'L' || type == 'K';
    const auto bytes = is_about_next ? static_cast<std::uint64_t>(size)
                                     : std::exchange(body_bytes_, {}).value_or(static_cast<std::uint64_t>(size));
    const bool has_body = type == '0' || type == '\0' || type == '7' || (type >= 'A' && type <= 'z');
    body_blocks_ = has_body ? blocks_of(bytes) : 0;
    if (type == k_pax) {
        if (bytes == 0 || bytes > k_max_records_bytes) return not_a_tar();
        records_ = Records{std::move(header), {}, bytes};
        is_reading_records_ = true;
        return {};
    }
    if (is_about_next) return sink_(header); // and no time of it
    DBUILD_TRY_ASSIGN(const auto mtime, number_in(header, k_mtime));
    if (drops_time_ || (!has_time_ && mtime > latest_)) {
        put_octal(header, k_mtime, latest_);
        put_checksum(header);
    }
    drops_time_ = has_time_ = false;
    return sink_(header);
}

/// "LENGTH key=value\n" each, where the length counts itself. Those that say a later time are left out.
Status TimeClamp::take_records() {
    is_reading_records_ = false;
    auto [header, data, size] = std::move(*records_);
    records_.reset();
    auto rest = std::string_view(data).substr(0, size);
    std::string kept;
    while (!rest.empty()) {
        std::size_t length = 0;
        const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), length);
        const auto digits = static_cast<std::size_t>(end - rest.data());
        if (error != std::errc() || length <= digits + 1 || length > rest.size()) return not_a_tar();
        const auto record = rest.substr(digits + 1, length - digits - 1);
        const auto key = record.substr(0, record.find('='));
        if (key.size() == record.size()) return not_a_tar();
        std::int64_t seconds = 0;
        const auto value = record.substr(key.size() + 1);
        if (is_time(key)) std::from_chars(value.data(), value.data() + value.size(), seconds);
        if (std::uint64_t bytes = 0;
            key == "size" && std::from_chars(value.data(), value.data() + value.size(), bytes).ec == std::errc())
            body_bytes_ = bytes;
        if (is_time(key) && seconds >= latest_) { // with a fraction, it is later than the same second
            drops_time_ = drops_time_ || key == "mtime";
        } else {
            has_time_ = has_time_ || key == "mtime";
            kept += rest.substr(0, length);
        }
        rest.remove_prefix(length);
    }
    if (kept.empty()) return {};
    put_octal(header, k_size, static_cast<std::int64_t>(kept.size()));
    put_checksum(header);
    DBUILD_TRY(sink_(header));
    DBUILD_TRY(sink_(kept));
    return sink_(tar_padding(kept.size()));
}

} // namespace dbuild::cache::oci
