// SPDX-License-Identifier: Apache-2.0
#include "executors/in_process/scratch_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace dbuild::executors::in_process {

Result<std::shared_ptr<ScratchFile>> ScratchFile::create() {
    DBUILD_TRY_ASSIGN(const auto folder, TempDir::create("dbuild-copy"));
    const auto path = folder.path() / "bytes";
    auto file = std::make_shared<ScratchFile>();
    file->fd_ = Fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file->fd_.is_open())
        return fail(ErrorKind::unavailable, "cannot create " + path.string() + ": " + std::strerror(errno));
    return file;
}

Status ScratchFile::append(std::string_view bytes) {
    size_ += bytes.size();
    return write_all(fd_.get(), bytes, "scratch file");
}

BodyReader ScratchFile::reader(std::uint64_t offset, std::uint64_t size) const {
    return [file = shared_from_this(), offset, size](const cache::oci::ByteSink& sink) {
        return file->read(offset, size, sink);
    };
}

Status ScratchFile::read(std::uint64_t offset, std::uint64_t size, const cache::oci::ByteSink& sink) const {
    std::string buffer(std::min<std::uint64_t>(size, std::uint64_t{1} << 17), '\0');
    while (size > 0) {
        const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(size, buffer.size()));
        const auto count = ::pread(fd_.get(), buffer.data(), wanted, static_cast<off_t>(offset));
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return fail(ErrorKind::unavailable, "cannot read a scratch file");
        DBUILD_TRY(sink({buffer.data(), static_cast<std::size_t>(count)}));
        offset += static_cast<std::uint64_t>(count);
        size -= static_cast<std::uint64_t>(count);
    }
    return {};
}

} // namespace dbuild::executors::in_process
