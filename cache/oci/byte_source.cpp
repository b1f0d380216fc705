// SPDX-License-Identifier: Apache-2.0
#include "cache/oci/byte_source.hpp"

#include "support/files.hpp"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <thread>
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

Result<std::string> read_start(const ByteSource& source, std::size_t count) {
    std::string start(count, '\0');
    std::size_t done = 0;
    while (done < count) {
        DBUILD_TRY_ASSIGN(const auto got, source(start.data() + done, count - done));
        if (got == 0) break;
        done += got;
    }
    start.resize(done);
    return start;
}

ByteSource put_back(std::string start, ByteSource rest) {
    return [start = std::move(start), rest = std::move(rest),
            given = std::size_t{0}](char* buffer, std::size_t capacity) mutable -> Result<std::size_t> {
        if (given == start.size()) return rest(buffer, capacity);
        const auto count = start.copy(buffer, capacity, given);
        given += count;
        return count;
    };
}

Status pull_what_is_pushed(const std::function<Status(const ByteSink&)>& push,
                           const std::function<Status(const ByteSource&)>& pull) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        return fail(ErrorKind::unavailable, std::string("cannot make a pipe: ") + std::strerror(errno));
    const Fd output(ends[0]);
    Fd input(ends[1]);
    constexpr int k_pipe_bytes = 1 << 20; // what an ordinary user may ask for; fewer changes from thread to thread
    (void)::fcntl(input.get(), F_SETPIPE_SZ, k_pipe_bytes);
    std::atomic<bool> is_over = false;
    bool was_cut = false; // there was more to push than was wanted
    Status pushed;
    std::jthread pusher([&] {
        pushed = push([&](std::string_view bytes) -> Status {
            was_cut = is_over;
            return was_cut ? fail(ErrorKind::internal, "nobody reads on") : write_all(input.get(), bytes, "pipe");
        });
        input.reset();
    });
    const ByteSource source = [&](char* buffer, std::size_t capacity) -> Result<std::size_t> {
        for (;;) {
            const auto count = ::read(output.get(), buffer, capacity);
            if (count >= 0) return static_cast<std::size_t>(count);
            if (errno != EINTR)
                return fail(ErrorKind::unavailable, std::string("cannot read a pipe: ") + std::strerror(errno));
        }
    };
    const Status pulled = pull(source);
    is_over = true;
    char rest[4096];
    while (::read(output.get(), rest, sizeof rest) > 0) {
    } // a pipe that nobody reads would end this process
    pusher.join();
    return pushed || was_cut ? pulled : pushed;
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

Status send_file(const std::filesystem::path& path, const ByteSink& sink) {
    DBUILD_TRY_ASSIGN(const auto source, file_source(path));
    std::string buffer(std::size_t{1} << 17, '\0');
    for (;;) {
        DBUILD_TRY_ASSIGN(const auto count, source(buffer.data(), buffer.size()));
        if (count == 0) return {};
        DBUILD_TRY(sink(std::string_view(buffer).substr(0, count)));
    }
}

} // namespace dbuild::cache::oci
