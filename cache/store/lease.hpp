// SPDX-License-Identifier: Apache-2.0
// Leases: what a living process was told to be there must not be evicted by another one. Each process lists it in a
// file of its own, which it keeps locked; the kernel releases the lock with the process.
#pragma once

#include "cache/store/temporary_file.hpp"
#include "support/digest.hpp"

#include <filesystem>
#include <mutex>
#include <optional>
#include <set>

namespace dbuild::cache::store {

class Lease {
public:
    explicit Lease(std::filesystem::path root) : root_(std::move(root)) {}
    /// Before the question whether it is there: an eviction looks first at what is doomed, then at the leases.
    void protect(const Digest& digest);

private:
    std::filesystem::path root_;
    std::mutex mutex_;
    std::optional<TemporaryFile> file_;
    bool is_useless_ = false; // the folder cannot be written: then nothing can be evicted from it either
    std::set<Digest> protected_;
};

/// What living processes protect. Effects: removes the files of dead ones.
Result<std::set<Digest>> leased(const std::filesystem::path& root);

} // namespace dbuild::cache::store
