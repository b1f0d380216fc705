// SPDX-License-Identifier: Apache-2.0
#include "support/gzip_writer.hpp"

#include "support/parallel.hpp"

#include <libdeflate.h>

#include <algorithm>
#include <vector>

namespace dbuild {
namespace {

/// So that two cores share a layer of 1 MB; of a tree of programs and texts the packed size grows by 0.1 %.
constexpr std::size_t k_member_bytes = std::size_t{1} << 19;

struct CompressorDeleter {
    void operator()(libdeflate_compressor* compressor) const { libdeflate_free_compressor(compressor); }
};

/// One member at a time; its compressor's tables are used again.
struct Member {
    std::unique_ptr<libdeflate_compressor, CompressorDeleter> compressor; // made when first needed
    std::string packed;
    std::size_t packed_bytes = 0;

    Status pack(std::string_view bytes, int level) {
        if (!compressor) compressor.reset(libdeflate_alloc_compressor(level));
        if (!compressor) return fail(ErrorKind::internal, "libdeflate: no memory");
        packed.resize(std::max(packed.size(), libdeflate_gzip_compress_bound(compressor.get(), bytes.size())));
        packed_bytes =
            libdeflate_gzip_compress(compressor.get(), bytes.data(), bytes.size(), packed.data(), packed.size());
        if (packed_bytes == 0) return fail(ErrorKind::internal, "libdeflate: the result is larger than its bound");
        return {};
    }
};

} // namespace

struct GzipWriter::Impl {
    Sink sink;
    int level;
    std::vector<Member> members; // as many as threads
    std::string input;           // of the next round: up to a member for each thread
    bool is_empty = true;        // no member was written yet

    Status write_members() {
        const auto count = std::max<std::size_t>(1, (input.size() + k_member_bytes - 1) / k_member_bytes);
        DBUILD_TRY(for_each_parallel(count, members.size(), [&](std::size_t i) {
            return members[i].pack(std::string_view(input).substr(i * k_member_bytes, k_member_bytes), level);
        }));
        for (std::size_t i = 0; i < count; ++i)
            DBUILD_TRY(sink(std::string_view(members[i].packed).substr(0, members[i].packed_bytes)));
        input.clear();
        is_empty = false;
        return {};
    }
};

GzipWriter::GzipWriter(Sink sink, int level, std::size_t threads)
    : impl_(std::make_unique<Impl>(Impl{std::move(sink), level, {}, {}})) {
    impl_->members.resize(std::max<std::size_t>(1, threads));
}
GzipWriter::~GzipWriter() = default;
GzipWriter::GzipWriter(GzipWriter&&) noexcept = default;

Status GzipWriter::write(std::string_view bytes) {
    const auto round_bytes = k_member_bytes * impl_->members.size();
    while (!bytes.empty()) {
        const auto taken = std::min(bytes.size(), round_bytes - impl_->input.size());
        impl_->input.append(bytes.substr(0, taken));
        bytes.remove_prefix(taken);
        if (impl_->input.size() == round_bytes) DBUILD_TRY(impl_->write_members());
    }
    return {};
}

Status GzipWriter::finish() {
    const bool has_rest = !impl_->input.empty() || impl_->is_empty; // an empty stream is one empty member
    return has_rest ? impl_->write_members() : Status{};
}

std::string gzip_release() { return "libdeflate " LIBDEFLATE_VERSION_STRING; }

} // namespace dbuild
