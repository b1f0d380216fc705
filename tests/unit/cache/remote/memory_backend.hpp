// SPDX-License-Identifier: Apache-2.0
// A remote in memory, which fails when it is told to.
#pragma once

#include "cache/remote/backend.hpp"
#include "support/files.hpp"

#include <map>
#include <mutex>

namespace dbuild::cache::remote::test {

/// What several clients share.
struct MemoryService {
    std::mutex mutex;
    std::map<Digest, std::string> packs;
    std::map<std::string, std::vector<std::string>> indexes; // all that were published; the last one counts
    int requests = 0;
    std::vector<ErrorKind> failures; // of the next requests, in this order
};

class MemoryBackend final : public Backend {
public:
    explicit MemoryBackend(MemoryService& service) : service_(service) {}

    Result<std::optional<std::string>> read_pack(const Digest& name, std::uint64_t offset,
                                                 std::uint64_t count) override {
        const std::lock_guard lock(service_.mutex);
        DBUILD_TRY(begin());
        const auto pack = service_.packs.find(name);
        if (pack == service_.packs.end()) return std::nullopt;
        if (offset > pack->second.size()) return std::string();
        return pack->second.substr(offset, count);
    }
    Result<std::vector<Digest>> find_packs(std::span<const Digest> names) override {
        const std::lock_guard lock(service_.mutex);
        DBUILD_TRY(begin());
        std::vector<Digest> found;
        for (const auto& name : names)
            if (service_.packs.contains(name)) found.push_back(name);
        return found;
    }
    Status put_pack(const Digest& name, const std::filesystem::path& file) override {
        const std::lock_guard lock(service_.mutex);
        DBUILD_TRY(begin());
        if (service_.packs.contains(name)) return {};
        DBUILD_TRY_ASSIGN(auto bytes, read_file(file));
        if (sha256(bytes) != name) return fail(ErrorKind::unavailable, "a damaged pack");
        service_.packs.emplace(name, std::move(bytes));
        return {};
    }
    Result<std::optional<IndexFile>> read_index(std::string_view scope, std::string_view known) override {
        const std::lock_guard lock(service_.mutex);
        DBUILD_TRY(begin());
        const auto& published = service_.indexes[std::string(scope)];
        if (published.empty()) return std::nullopt;
        const auto version = std::to_string(published.size());
        return IndexFile{version, version == known ? "" : published.back()};
    }
    Result<std::optional<std::string>> replace_index(std::string_view scope, std::string_view bytes,
                                                     std::string_view version_read) override {
        const std::lock_guard lock(service_.mutex);
        DBUILD_TRY(begin());
        auto& published = service_.indexes[std::string(scope)];
        if (version_read != (published.empty() ? "" : std::to_string(published.size()))) return std::nullopt;
        published.emplace_back(bytes);
        return std::to_string(published.size());
    }
    Result<std::vector<ScopeEntry>> list_scopes() override {
        const std::lock_guard lock(service_.mutex);
        DBUILD_TRY(begin());
        std::vector<ScopeEntry> scopes;
        for (const auto& [name, published] : service_.indexes)
            if (!published.empty()) scopes.push_back({name, published.back().size(), 0});
        return scopes;
    }

private:
    Status begin() {
        ++service_.requests;
        if (service_.failures.empty()) return {};
        const auto kind = service_.failures.front();
        service_.failures.erase(service_.failures.begin());
        return fail(kind, "told to fail");
    }
    MemoryService& service_;
};

} // namespace dbuild::cache::remote::test
