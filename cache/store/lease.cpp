// SPDX-License-Identifier: Apache-2.0
#include "cache/store/lease.hpp"

#include "cache/store/wire.hpp"

namespace fs = std::filesystem;

namespace dbuild::cache::store {

void Lease::protect(const Digest& digest) {
    const std::lock_guard lock(mutex_);
    if (is_useless_ || !protected_.insert(digest).second) return;
    if (!file_) {
        auto file =
            make_directories(root_ / "leases").and_then([&] { return TemporaryFile::create(root_ / "leases"); });
        is_useless_ = !file;
        if (is_useless_) return;
        file_.emplace(std::move(*file));
    }
    WireWriter out;
    out.digest(digest);
    is_useless_ = !file_->write(out.take());
}

Result<std::set<Digest>> leased(const fs::path& root) {
    DBUILD_TRY(remove_abandoned(root / "leases"));
    DBUILD_TRY_ASSIGN(const auto paths, list_folder(root / "leases"));
    std::set<Digest> digests;
    for (const auto& path : paths) {
        const auto bytes = read_file(path);
        if (!bytes) continue; // its process ended just now
        WireReader in(*bytes);
        while (!in.at_end()) {
            const auto digest = in.digest();
            if (!in.failed()) digests.insert(digest);
        }
    }
    return digests;
}

} // namespace dbuild::cache::store
