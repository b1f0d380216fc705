// SPDX-License-Identifier: Apache-2.0
// Header fields by POSIX ustar and the GNU manual ("Basic Tar Format"): offsets 124 (size), 156 (type).
#include "cache/store/tar_splitter.hpp"

#include "cache/oci/tar_header.hpp"
#include "cache/store/chunker.hpp"

#include <algorithm>
#include <limits>
#include <optional>

namespace dbuild::cache::store {
namespace {

constexpr std::size_t k_block = 512;
constexpr std::uint64_t k_max_metadata_bytes = 1u << 20; // longer "records" are content as good as any
constexpr std::uint64_t k_max_file_bytes = std::uint64_t{1} << 60;
constexpr std::size_t k_sparse_continues = 482, k_sparse_block_continues = 504; // old GNU format

static_assert(k_max_cut_bytes == k_max_piece_bytes && k_whole_file_bytes <= k_max_piece_bytes);

bool is_zero(std::string_view bytes) { return bytes.find_first_not_of('\0') == bytes.npos; }

/// Octal digits with blanks around, or a binary number with the top bit set. Nothing: neither, or beyond
/// k_max_file_bytes.
std::optional<std::uint64_t> number_field(std::string_view field) {
    std::uint64_t value = 0;
    if (static_cast<unsigned char>(field[0]) == 0x80) {
        for (const char c : field.substr(1)) {
            if (value >= k_max_file_bytes >> 8) return std::nullopt;
            value = value << 8 | static_cast<unsigned char>(c);
        }
        return value;
    }
    std::size_t at = std::min(field.find_first_not_of(' '), field.size());
    for (; at < field.size() && field[at] >= '0' && field[at] <= '7'; ++at)
        value = value << 3 | static_cast<std::uint64_t>(field[at] - '0');
    const bool is_ended = at == field.size() || field[at] == ' ' || field[at] == '\0';
    return is_ended && value <= k_max_file_bytes ? std::optional(value) : std::nullopt;
}

std::uint64_t padding_after(std::uint64_t size) { return (k_block - size % k_block) % k_block; }

} // namespace

Status TarSplitter::write(std::string_view bytes) {
    while (!bytes.empty()) {
        switch (state_) {
        case State::content:
        case State::opaque: DBUILD_TRY(take_content(bytes)); continue;
        case State::metadata: DBUILD_TRY(take_literal(bytes)); continue;
        case State::padding:
        case State::block:
        case State::sparse_map:
        case State::tail: break;
        }
        // The others want their bytes in one piece: a block, or the padding up to the next one.
        const std::size_t wanted = state_ == State::padding ? static_cast<std::size_t>(left_) : k_block;
        if (held_.empty() && bytes.size() >= wanted) {
            DBUILD_TRY(take_block(bytes.substr(0, wanted)));
            bytes.remove_prefix(wanted);
            continue;
        }
        const auto count = std::min(wanted - held_.size(), bytes.size());
        held_ += bytes.substr(0, count);
        bytes.remove_prefix(count);
        if (held_.size() < wanted) return {};
        const auto block = std::exchange(held_, {});
        DBUILD_TRY(take_block(block));
    }
    return {};
}

Status TarSplitter::finish() {
    if (state_ == State::content || state_ == State::opaque) {
        left_ = 0;
        while (held_from_ < held_.size()) DBUILD_TRY(cut_held());
        return {};
    }
    const auto rest = std::exchange(held_, {});
    return rest.empty() ? Status() : sink_.literal(rest);
}

Status TarSplitter::take_block(std::string_view block) {
    switch (state_) {
    case State::padding:
        state_ = State::block;
        return is_zero(block) ? sink_.zeros(block.size()) : sink_.literal(block);
    case State::sparse_map:
        if (block[k_sparse_block_continues] == '\0') begin_content(content_size_);
        return sink_.literal(block);
    case State::block:
        if (!is_zero(block)) return take_header(block);
        if (++zero_blocks_ == 2) state_ = State::tail;
        return sink_.zeros(block.size());
    case State::tail:
        if (is_zero(block)) return sink_.zeros(block.size());
        break;
    default: break;
    }
    begin_opaque();
    return take_content(block);
}

Status TarSplitter::take_header(std::string_view header) {
    const auto size = number_field(header.substr(124, 12));
    if (!size || !oci::has_tar_checksum(header)) {
        begin_opaque();
        return take_content(header);
    }
    zero_blocks_ = 0;
    content_size_ = *size;
    const char type = header[156];
    if (type >= '1' && type <= '6') return sink_.literal(header); // links, devices, folders: a size says nothing here
    const bool is_metadata =
        type == 'x' || type == 'g' || type == 'X' || type == 'L' || type == 'K' || type == 'N' || type == 'V';
    if (is_metadata && *size <= k_max_metadata_bytes) {
        left_ = *size + padding_after(*size);
        if (left_ > 0) state_ = State::metadata;
    } else if (type == 'S' && header[k_sparse_continues] != '\0') {
        state_ = State::sparse_map;
    } else {
        begin_content(*size);
    }
    return sink_.literal(header);
}

Status TarSplitter::take_literal(std::string_view& bytes) {
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
    DBUILD_TRY(sink_.literal(bytes.substr(0, count)));
    bytes.remove_prefix(count);
    left_ -= count;
    if (left_ == 0) state_ = State::block;
    return {};
}

void TarSplitter::begin_content(std::uint64_t size) {
    content_size_ = left_ = size;
    state_ = size > 0 ? State::content : State::block;
}

void TarSplitter::begin_opaque() {
    content_size_ = left_ = std::numeric_limits<std::uint64_t>::max();
    state_ = State::opaque;
}

/// How many bytes the next cut must see, or what is left if that is less.
std::size_t TarSplitter::cut_window() const {
    const auto held = held_.size() - held_from_;
    return static_cast<std::size_t>(left_ > k_max_cut_bytes ? k_max_cut_bytes
                                                            : std::min<std::uint64_t>(k_max_cut_bytes, held + left_));
}

Status TarSplitter::take_content(std::string_view& bytes) {
    const bool is_whole = content_size_ <= k_whole_file_bytes;
    while (!bytes.empty() && left_ > 0) {
        const auto window = cut_window();
        if (held_.empty() && bytes.size() >= window) {
            const auto cut = is_whole ? window : first_cut(bytes.substr(0, window));
            DBUILD_TRY(sink_.piece(bytes.substr(0, cut)));
            bytes.remove_prefix(cut);
            left_ -= cut;
            continue;
        }
        const auto held = held_.size() - held_from_;
        const auto count = std::min(window - held, bytes.size());
        held_ += bytes.substr(0, count);
        bytes.remove_prefix(count);
        left_ -= count;
        if (held + count == window) DBUILD_TRY(cut_held());
    }
    return left_ == 0 ? end_of_content() : Status();
}

Status TarSplitter::cut_held() {
    const auto rest = std::string_view(held_).substr(held_from_);
    const auto cut = content_size_ <= k_whole_file_bytes ? rest.size() : first_cut(rest);
    DBUILD_TRY(sink_.piece(rest.substr(0, cut)));
    held_from_ += cut;
    if (held_from_ >= k_max_cut_bytes || held_from_ == held_.size()) {
        held_.erase(0, held_from_);
        held_from_ = 0;
    }
    return {};
}

Status TarSplitter::end_of_content() {
    while (held_from_ < held_.size()) DBUILD_TRY(cut_held());
    left_ = padding_after(content_size_);
    state_ = left_ > 0 ? State::padding : State::block;
    return {};
}

} // namespace dbuild::cache::store
