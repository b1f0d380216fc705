// SPDX-License-Identifier: Apache-2.0
#include "cache/oci/tar_stream.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

namespace dbuild::cache::oci {
namespace {

constexpr std::uint64_t k_max_records_bytes = 1 << 20;
constexpr auto k_no_size = std::numeric_limits<std::uint64_t>::max();

tl::unexpected<Error> cut_off() { return fail(ErrorKind::corrupt, "the image archive is cut off"); }

/// Of PAX records, `LENGTH KEY=VALUE\n` each, the last value of a key. Source: POSIX, pax, "pax Extended Header".
std::optional<std::string_view> find_record(std::string_view records, std::string_view key) {
    std::optional<std::string_view> value;
    while (!records.empty()) {
        std::size_t length = 0;
        const auto [end, error] = std::from_chars(records.data(), records.data() + records.size(), length);
        const auto digits = static_cast<std::size_t>(end - records.data());
        if (error != std::errc() || length <= digits + 1 || length > records.size()) break;
        const auto record =
            records.substr(digits + 1, length - digits - 2); // neither the blank nor the end of the line
        records.remove_prefix(length);
        if (record.size() > key.size() && record.starts_with(key) && record[key.size()] == '=')
            value = record.substr(key.size() + 1);
    }
    return value;
}

/// Out: k_no_size — they do not say, or what no archive holds.
std::uint64_t size_in_records(std::string_view records) {
    const auto text = find_record(records, "size").value_or("");
    std::uint64_t size = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
    return error == std::errc() && size <= k_max_tar_member_bytes ? size : k_no_size;
}

bool is_extension(char type) { return type == 'x' || type == 'g' || type == 'L' || type == 'K'; }

} // namespace

Result<std::optional<TarMember>> TarStream::next() {
    auto size = k_no_size; // of the member that follows its extended header
    for (;;) {
        DBUILD_TRY(skip(left_ + padding_));
        char block[k_tar_block_bytes];
        DBUILD_TRY(read_whole(block, sizeof block));
        if (block[0] == '\0') return std::nullopt;
        auto member = parse_tar_header({block, sizeof block});
        if (!member) return fail(ErrorKind::corrupt, "the image archive is damaged");
        if (member->type == 'x' && member->size <= k_max_records_bytes) {
            DBUILD_TRY_ASSIGN(size, read_pax_size(member->size));
            continue;
        }
        if (!is_extension(member->type)) {
            if (size != k_no_size) member->size = size;
            size = k_no_size;
        }
        left_ = member->size;
        padding_ = tar_padding(member->size).size();
        if (member->is_file()) return member;
    }
}

Result<std::size_t> TarStream::read(char* buffer, std::size_t capacity) {
    if (left_ == 0) return std::size_t{0};
    DBUILD_TRY_ASSIGN(const auto count, source_(buffer, std::min<std::uint64_t>(capacity, left_)));
    if (count == 0) return cut_off();
    left_ -= count;
    return count;
}

Result<std::uint64_t> TarStream::read_pax_size(std::uint64_t header_size) {
    std::string records(header_size, '\0');
    DBUILD_TRY(read_whole(records.data(), records.size()));
    left_ = 0;
    padding_ = tar_padding(header_size).size();
    return size_in_records(records);
}

Status TarStream::read_whole(char* buffer, std::size_t size) {
    while (size > 0) {
        DBUILD_TRY_ASSIGN(const auto count, source_(buffer, size));
        if (count == 0) return cut_off();
        buffer += count;
        size -= count;
    }
    return {};
}

Status TarStream::skip(std::uint64_t bytes) {
    left_ = padding_ = 0;
    if (pass_over_) return pass_over_(bytes);
    std::string buffer(std::min<std::uint64_t>(bytes, std::uint64_t{1} << 18), '\0');
    for (; bytes > 0; bytes -= std::min<std::uint64_t>(bytes, buffer.size()))
        DBUILD_TRY(read_whole(buffer.data(), std::min<std::uint64_t>(bytes, buffer.size())));
    return {};
}

Result<std::string> read_pax_link(const ByteSource& tar) {
    for (;;) {
        DBUILD_TRY_ASSIGN(const auto block, read_start(tar, k_tar_block_bytes));
        const auto member = block.size() == k_tar_block_bytes ? parse_tar_header(block) : std::nullopt;
        if (!member || !is_extension(member->type) || member->size > k_max_records_bytes) return std::string();
        DBUILD_TRY_ASSIGN(const auto body, read_start(tar, member->size + tar_padding(member->size).size()));
        if (member->type != 'x') continue;
        if (const auto link = find_record(std::string_view(body).substr(0, member->size), "linkpath"))
            return std::string(*link);
    }
}

} // namespace dbuild::cache::oci
