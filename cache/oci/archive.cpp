// SPDX-License-Identifier: Apache-2.0
#include "cache/oci/archive.hpp"

#include "cache/oci/tar_stream.hpp"
#include "support/files.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <unistd.h>

namespace dbuild::cache::oci {
namespace {

tl::unexpected<Error> cannot_read(const std::filesystem::path& path) {
    return fail(ErrorKind::unavailable, "cannot read " + path.string() + ": " + std::strerror(errno));
}

} // namespace

Result<Archive> Archive::open(std::filesystem::path path) {
    DBUILD_TRY_ASSIGN(const Fd fd, open_for_reading(path));
    const auto end = static_cast<std::uint64_t>(::lseek(fd.get(), 0, SEEK_END));
    std::uint64_t offset = 0;
    const ByteSource source = [&](char* buffer, std::size_t capacity) -> Result<std::size_t> {
        const auto count = ::pread(fd.get(), buffer, capacity, static_cast<off_t>(offset));
        if (count < 0) return cannot_read(path);
        offset += static_cast<std::uint64_t>(count);
        return static_cast<std::size_t>(count);
    };
    const auto pass_over = [&](std::uint64_t bytes) -> Status {
        if (bytes > end - offset) return fail(ErrorKind::corrupt, "the image archive is cut off");
        offset += bytes;
        return {};
    };
    Archive archive(path);
    TarStream members(source, pass_over);
    for (;;) {
        auto member = members.next();
        if (!member) return fail(std::move(member).error().with("in " + path.string()));
        if (!*member) return archive;
        archive.members_[(*member)->name] = {offset, (*member)->size};
    }
}

Result<std::string> Archive::read_file(std::string_view name) const {
    const auto member = members_.find(name);
    if (member == members_.end()) return fail(ErrorKind::not_found, "image archive has no " + std::string(name));
    DBUILD_TRY_ASSIGN(const Fd fd, open_for_reading(path_));
    std::string bytes(member->second.size, '\0');
    std::size_t done = 0;
    while (done < bytes.size()) {
        const auto count = ::pread(fd.get(), bytes.data() + done, bytes.size() - done,
                                   static_cast<off_t>(member->second.offset + done));
        if (count <= 0) return cannot_read(path_);
        done += static_cast<std::size_t>(count);
    }
    return bytes;
}

Result<std::string> Archive::read_blob(const Digest& digest) const {
    DBUILD_TRY_ASSIGN(auto bytes, read_file(blob_member(digest)));
    if (sha256(bytes) != digest)
        return fail(ErrorKind::corrupt, "image archive: blob " + digest.to_string() + " is damaged");
    return bytes;
}

Result<ByteSource> Archive::blob_source(const Digest& digest) const {
    const auto member = members_.find(blob_member(digest));
    if (member == members_.end()) return fail(ErrorKind::not_found, "image archive has no blob " + digest.to_string());
    DBUILD_TRY_ASSIGN(Fd fd, open_for_reading(path_));
    struct Cursor { // shared by the copies that std::function makes
        Fd fd;
        std::uint64_t offset, left;
    };
    auto cursor = std::make_shared<Cursor>(Cursor{std::move(fd), member->second.offset, member->second.size});
    return ByteSource([cursor, path = path_](char* buffer, std::size_t capacity) -> Result<std::size_t> {
        const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(capacity, cursor->left));
        if (wanted == 0) return std::size_t{0};
        const auto count = ::pread(cursor->fd.get(), buffer, wanted, static_cast<off_t>(cursor->offset));
        if (count <= 0) return cannot_read(path);
        cursor->offset += static_cast<std::uint64_t>(count);
        cursor->left -= static_cast<std::uint64_t>(count);
        return static_cast<std::size_t>(count);
    });
}

} // namespace dbuild::cache::oci
