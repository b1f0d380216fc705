// SPDX-License-Identifier: Apache-2.0
// Cuts the bytes of a tar at the borders of its files. Nothing is interpreted beyond that: whatever the bytes are, also
// no tar at all, the parts that come out give them again in order. A tar that is not understood is stored less tightly,
// never wrongly.
#pragma once

#include "support/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace dbuild::cache::store {

inline constexpr std::size_t k_whole_file_bytes = 256u << 10; // files up to here are one piece
inline constexpr std::size_t k_max_piece_bytes = 512u << 10;

/// What the bytes are cut into, in order; together they are the input.
class TarPartSink {
public:
    virtual ~TarPartSink() = default;
    virtual Status literal(std::string_view bytes) = 0; // headers and what belongs to them
    virtual Status zeros(std::uint64_t count) = 0;
    virtual Status piece(std::string_view bytes) = 0; // file contents, 1 to k_max_piece_bytes bytes
};

/// Files up to k_whole_file_bytes are one piece, longer ones are cut by content (chunker.hpp), and so is what is no
/// tar.
class TarSplitter {
public:
    explicit TarSplitter(TarPartSink& sink) : sink_(sink) {}

    /// Any number of bytes; the parts do not depend on how the input is sliced. Errors: what the sink fails with.
    Status write(std::string_view bytes);
    /// After the last write: hands out what is still held back.
    Status finish();

private:
    enum class State {
        block,      // a header comes, or the end
        metadata,   // `left_` bytes that belong to a header: PAX records, long names, with their padding
        sparse_map, // blocks that continue an old GNU sparse header
        content,    // `left_` bytes of a file
        padding,    // `left_` bytes after it
        tail,       // after two zero blocks
        opaque,     // no tar from here on
    };

    Status take_block(std::string_view block);
    Status take_header(std::string_view header);
    Status take_literal(std::string_view& bytes);
    Status take_content(std::string_view& bytes);
    void begin_content(std::uint64_t size);
    void begin_opaque();
    std::size_t cut_window() const;
    Status cut_held();
    Status end_of_content();

    TarPartSink& sink_;
    State state_ = State::block;
    std::uint64_t left_ = 0; // bytes of the present part that have not come yet
    std::uint64_t content_size_ = 0;
    int zero_blocks_ = 0;       // directly before here
    std::string held_;          // a partial block, or content that is not cut yet
    std::size_t held_from_ = 0; // what comes before was handed out
};

} // namespace dbuild::cache::store
