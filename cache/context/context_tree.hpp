// SPDX-License-Identifier: Apache-2.0
// The build context as BuildKit would receive it: only what a COPY source names is walked and hashed, each file once.
// What is ignored is decided by the caller; the digest of a selection is made by the same rules as for stages.
#pragma once

#include "cache/oci/layer_tar.hpp"
#include "support/digest.hpp"
#include "support/result.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dbuild::cache::context {

struct ContextCounters {
    std::uint64_t bytes_read = 0, files_hashed = 0;
};

class ContextTree {
public:
    using PathPredicate = std::function<bool(std::string_view)>;

    /// In:      root — the context's folder.
    ///          is_ignored, can_skip_directory — of a path below the root; both callable.
    /// Errors:  unavailable — `root` is no folder.
    static Result<ContextTree> open(std::filesystem::path root, PathPredicate is_ignored, PathPredicate can_skip_directory);
    ~ContextTree();
    ContextTree(ContextTree&&) noexcept;

    /// The content that a COPY or ADD source selects; the same on every machine. Owners and times do not count.
    /// In:      source — expanded; may hold Go's wildcards.
    /// Errors:  not_found — a literal that is missing or ignored: `"/x": not found`; unavailable — a file that cannot be read;
    ///          invalid_dockerfile — a malformed wildcard.
    /// Threads: one caller at a time; it hashes with two.
    Result<Digest> source_digest(std::string_view source);

    /// The regular files that the last source_digest of this source hashed: path below the root, SHA-256 of the bytes; sorted.
    /// A source that has no digest yet gets one. Errors: as source_digest.
    Result<std::vector<std::pair<std::string, Digest>>> files_of(std::string_view source);

    /// The paths that a source selects, in the order in which BuildKit copies them: as source_digest found them.
    /// Errors: as source_digest.
    Result<std::vector<oci::SelectedPath>> select(std::string_view source);

    /// All that was looked at so far, ignored paths left out. Owners are 0:0; times are those of the look.
    const oci::FileTree& files() const;

    const ContextCounters& counters() const;

private:
    struct Impl;
    explicit ContextTree(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

} // namespace dbuild::cache::context
