// SPDX-License-Identifier: Apache-2.0
// A place outside this machine that keeps packs, and one index per scope. What they mean is scope_index.hpp's business;
// how trouble is met with, wrappers.hpp's. A new backend passes tests/unit/cache/remote/backend_contract.hpp.
#pragma once

#include "support/digest.hpp"
#include "support/result.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dbuild::cache::remote {

/// The published index of a scope as it was read.
struct IndexFile {
    std::string version; // whatever tells it from those before and after it
    std::string bytes;   // empty: it is the version that the reader knew
};

/// What a remote says about a scope without reading its index.
struct ScopeEntry {
    std::string name;
    std::uint64_t index_bytes = 0;
    std::int64_t written = 0; // seconds since 1970
};

/// What is not there is a value, never an error. Whatever is there may vanish, or be garbage, at any time.
/// Errors of all members: transient — trying again may help; unauthorized; no_space; unavailable — anything else.
/// Threads: any number of calls at once, also by other processes and machines.
class Backend {
public:
    virtual ~Backend() = default;

    /// Those bytes of a pack; fewer where it ends before. Holds nothing where there is no such pack.
    virtual Result<std::optional<std::string>> read_pack(const Digest& name, std::uint64_t offset,
                                                         std::uint64_t count) = 0;

    /// Which of these packs are there; they count as used now.
    virtual Result<std::vector<Digest>> find_packs(std::span<const Digest> names) = 0;

    /// Keeps a copy of the file under its name, unless there is one. It is seen whole or not at all.
    /// Errors: besides, interrupted.
    virtual Status put_pack(const Digest& name, const std::filesystem::path& file) = 0;

    /// Holds nothing where nobody published that scope. In: known — a version whose bytes are not wanted; may be empty.
    virtual Result<std::optional<IndexFile>> read_index(std::string_view scope, std::string_view known) = 0;

    /// Publishes an index in place of the one whose version was read (empty: of none).
    /// Out: its version. Nothing: somebody else has published meanwhile, and nothing was done: read, merge, try again.
    virtual Result<std::optional<std::string>> replace_index(std::string_view scope, std::string_view bytes,
                                                             std::string_view version_read) = 0;

    /// All scopes, in no order. Errors: unsupported — this service cannot list.
    virtual Result<std::vector<ScopeEntry>> list_scopes() = 0;
};

} // namespace dbuild::cache::remote
