// SPDX-License-Identifier: Apache-2.0
#include "cache/store/claim.hpp"

#include "cache/store/temporary_file.hpp"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <mutex>
#include <set>
#include <sys/file.h>
#include <thread>
#include <unistd.h>

namespace fs = std::filesystem;

namespace dbuild::cache::store {
namespace {

constexpr auto k_poll_interval = std::chrono::milliseconds(20); // a blocked flock could not be cancelled

struct HeldHere {
    std::mutex mutex;
    std::set<fs::path> files;
};
HeldHere& held_here() {
    static HeldHere held;
    return held;
}

fs::path file_of(const fs::path& root, const Digest& subject) { return root / "claims" / subject.hex(); }

} // namespace

Result<std::optional<Claim>> Claim::try_acquire(const fs::path& root, const Digest& subject) {
    DBUILD_TRY(make_directories(root / "claims"));
    const auto path = file_of(root, subject);
    Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
    if (!fd.is_open())
        return fail(ErrorKind::unavailable, "cannot open " + path.string() + ": " + std::strerror(errno));
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK || errno == EINTR) return std::nullopt;
        return fail(ErrorKind::unavailable, "cannot lock " + path.string() + ": " + std::strerror(errno));
    }
    if (!has_name(fd.get(), path)) return std::nullopt; // held a moment ago: who gives it up removes the file
    return Claim(path, std::move(fd));
}

Result<Claim> Claim::acquire(const fs::path& root, const Digest& subject, const std::function<void()>& on_wait,
                             const CancelCheck& is_cancelled) {
    for (bool has_waited = false;; std::this_thread::sleep_for(k_poll_interval)) {
        DBUILD_TRY_ASSIGN(auto claim, try_acquire(root, subject));
        if (claim) {
            claim->had_to_wait_ = has_waited;
            return std::move(*claim);
        }
        if (is_cancelled && is_cancelled())
            return fail(ErrorKind::interrupted, "interrupted while another build does the same");
        if (!std::exchange(has_waited, true) && on_wait) on_wait();
    }
}

bool Claim::is_held_here(const fs::path& root, const Digest& subject) {
    const std::lock_guard lock(held_here().mutex);
    return held_here().files.contains(file_of(root, subject));
}

Claim::Claim(fs::path path, Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {
    const std::lock_guard lock(held_here().mutex);
    held_here().files.insert(path_);
}

Claim::~Claim() {
    if (!fd_.is_open()) return; // moved from
    {
        const std::lock_guard lock(held_here().mutex);
        held_here().files.erase(path_);
    }
    ::unlink(path_.c_str()); // while it is locked: nobody else holds it
}

} // namespace dbuild::cache::store
