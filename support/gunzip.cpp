// SPDX-License-Identifier: Apache-2.0
#include "support/gunzip.hpp"

#include "support/shared_library.hpp"

#include <isa-l/igzip_lib.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

namespace dbuild {
namespace {

constexpr std::size_t k_input_bytes = std::size_t{1} << 18;
constexpr std::uint8_t k_gzip_mark = 0x1f; // the first byte of every member

struct IsaL {
    static const std::optional<IsaL>& loaded() { // never unloaded
        static const auto library = [] {
            std::optional<IsaL> found(std::in_place);
            SharedLibrary names("libisal.so.2");
            names.find(found->inflate, "isal_inflate");
            names.find(found->inflate_init, "isal_inflate_init");
            names.find(found->inflate_reset, "isal_inflate_reset");
            if (!names.is_complete()) found.reset();
            return found;
        }();
        return library;
    }
    decltype(&isal_inflate) inflate;
    decltype(&isal_inflate_init) inflate_init;
    decltype(&isal_inflate_reset) inflate_reset;
};

} // namespace

struct Gunzip::Impl {
    const IsaL& library;
    Source source;
    inflate_state state{};
    std::vector<std::uint8_t> input = std::vector<std::uint8_t>(k_input_bytes);

    void begin_member() {
        library.inflate_reset(&state);
        state.crc_flag = ISAL_GZIP;
    }

    /// Out: false — the source has ended.
    Result<bool> refill() {
        DBUILD_TRY_ASSIGN(const auto count, source(reinterpret_cast<char*>(input.data()), input.size()));
        state.next_in = input.data();
        state.avail_in = static_cast<std::uint32_t>(count);
        return count > 0;
    }
};

Gunzip::Gunzip(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Gunzip::~Gunzip() = default;

std::unique_ptr<Gunzip> Gunzip::create(Source source) {
    const auto& library = IsaL::loaded();
    if (!library) return nullptr;
    auto impl = std::make_unique<Impl>(Impl{*library, std::move(source)});
    library->inflate_init(&impl->state);
    impl->begin_member();
    return std::unique_ptr<Gunzip>(new Gunzip(std::move(impl)));
}

Result<std::size_t> Gunzip::read(char* buffer, std::size_t capacity) {
    auto& state = impl_->state;
    capacity = std::min<std::size_t>(capacity, std::numeric_limits<std::uint32_t>::max());
    for (;;) {
        const bool is_member_over = state.block_state == ISAL_BLOCK_FINISH;
        if (state.avail_in == 0) {
            DBUILD_TRY_ASSIGN(const bool has_more, impl_->refill());
            if (!has_more && is_member_over) return 0;
            if (!has_more) return fail(ErrorKind::corrupt, "gzip: cut off");
        }
        if (is_member_over) {
            if (*state.next_in != k_gzip_mark) return 0;
            impl_->begin_member();
        }
        state.next_out = reinterpret_cast<std::uint8_t*>(buffer);
        state.avail_out = static_cast<std::uint32_t>(capacity);
        if (impl_->library.inflate(&state) != ISAL_DECOMP_OK) return fail(ErrorKind::corrupt, "gzip: damaged");
        if (const auto made = capacity - state.avail_out; made > 0) return made;
    }
}

} // namespace dbuild
