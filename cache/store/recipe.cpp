// SPDX-License-Identifier: Apache-2.0
#include "cache/store/recipe.hpp"

#include <limits>

namespace dbuild::cache::store {
namespace {

enum Opcode : std::uint64_t { op_literal = 0, op_zeros = 1, op_next_piece = 2, op_placed_piece = 3 };
constexpr std::uint32_t k_max = std::numeric_limits<std::uint32_t>::max();

} // namespace

void RecipeWriter::literal(std::string_view bytes) {
    if (open_zeros_ > 0) close_run();
    open_literal_ += bytes.size();
    literals_ += bytes;
}

void RecipeWriter::zeros(std::uint64_t count) {
    if (open_literal_ > 0) close_run();
    open_zeros_ += count;
}

void RecipeWriter::piece(const PieceReference& reference) {
    close_run();
    const bool is_next =
        reference.pack == last_.pack && reference.block == last_.block && reference.start == last_.start + last_.length;
    instructions_.number(std::uint64_t{reference.length} << 2 | (is_next ? op_next_piece : op_placed_piece));
    if (!is_next) {
        instructions_.number(reference.pack);
        instructions_.number(reference.block);
        instructions_.number(reference.start);
    }
    last_ = reference;
}

void RecipeWriter::close_run() {
    if (open_literal_ > 0) instructions_.number(open_literal_ << 2 | op_literal);
    if (open_zeros_ > 0) instructions_.number(open_zeros_ << 2 | op_zeros);
    open_literal_ = open_zeros_ = 0;
}

std::size_t RecipeWriter::size() const {
    const bool is_fresh = instructions_.size() == 0 && literals_.empty() && open_zeros_ == 0;
    return is_fresh ? k_overhead : k_overhead + 1 + instructions_.size() + literals_.size();
}

std::string RecipeWriter::take_segment() {
    close_run();
    WireWriter segment;
    segment.text(instructions_.take());
    segment.raw(literals_);
    literals_.clear();
    last_ = {};
    return segment.take();
}

Result<std::vector<RecipePart>> read_segment(std::string_view segment) {
    WireReader whole(segment);
    const auto instructions = whole.text();
    auto literals =
        instructions.empty()
            ? std::string_view()
            : segment.substr(static_cast<std::size_t>(instructions.data() + instructions.size() - segment.data()));
    WireReader in(instructions);
    std::vector<RecipePart> parts;
    PieceReference last;
    bool is_bad = whole.failed();
    while (!is_bad && !in.at_end()) {
        const auto word = in.number();
        const auto count = word >> 2;
        RecipePart part;
        switch (word & 3) {
        case op_literal:
            is_bad = count > literals.size();
            if (is_bad) break;
            part.bytes = literals.substr(0, static_cast<std::size_t>(count));
            literals.remove_prefix(part.bytes.size());
            break;
        case op_zeros:
            part.kind = RecipePart::Kind::zeros;
            part.count = count;
            break;
        default: {
            part.kind = RecipePart::Kind::piece;
            std::uint64_t pack = last.pack, block = last.block, start = std::uint64_t{last.start} + last.length;
            if ((word & 3) == op_placed_piece) {
                pack = in.number();
                block = in.number();
                start = in.number();
            }
            is_bad = pack > k_max || block > k_max || start > k_max || count > k_max;
            last = {static_cast<std::uint32_t>(pack), static_cast<std::uint32_t>(block),
                    static_cast<std::uint32_t>(start), static_cast<std::uint32_t>(count)};
            part.piece = last;
        }
        }
        parts.push_back(part);
    }
    if (is_bad || in.failed() || !literals.empty()) return fail(ErrorKind::corrupt, "pack: damaged recipe");
    return parts;
}

} // namespace dbuild::cache::store
