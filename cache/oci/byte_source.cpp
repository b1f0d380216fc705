// SPDX-License-Identifier: Apache-2.0
#include "cache/oci/byte_source.hpp"

#include "support/files.hpp"

#include <cerrno>
#include <cstring>
#include <memory>
#include <unistd.h>

namespace dbuild::cache::oci {

Result<ByteSource> file_source(const std::filesystem::path& path) {
    DBUILD_TRY_ASSIGN(Fd fd, open_for_reading(path));
    // std::function must be copyable: the copies of one source share its descriptor.
    auto shared = std::make_shared<Fd>(std::move(fd));
    return ByteSource([shared, path](char* buffer, std::size_t capacity) -> Result<std::size_t> {
        for (;;) {
            const ssize_t count = ::read(shared->get(), buffer, capacity);
            if (count >= 0) return static_cast<std::size_t>(count);
            if (errno != EINTR)
                return fail(ErrorKind::unavailable, "cannot read " + path.string() + ": " + std::strerror(errno));
        }
    });
}

ByteSource text_source(std::string_view text) {
    return [rest = text](char* buffer, std::size_t capacity) mutable -> Result<std::size_t> {
        const auto count = rest.copy(buffer, capacity);
        rest.remove_prefix(count);
        return count;
    };
}

Status copy_checked(const ByteSource& source, const Descriptor& blob, const ByteSink& sink) {
    Sha256 hasher;
    std::uint64_t left = blob.size;
    std::string buffer(std::size_t{1} << 18, '\0');
    for (;;) {
        DBUILD_TRY_ASSIGN(const auto count, source(buffer.data(), buffer.size()));
        if (count > left) break;
        left -= count;
        hasher.update({buffer.data(), count});
        if (count == 0) {
            if (left == 0 && hasher.finish() == blob.digest) return {};
            break;
        }
        DBUILD_TRY(sink({buffer.data(), count}));
    }
    return fail(ErrorKind::corrupt, "the blob " + blob.digest.to_string() + " has other bytes than its name says");
}

} // namespace dbuild::cache::oci
