// SPDX-License-Identifier: Apache-2.0
// A registry: manifests and blobs of its repositories, read and written, each byte checked against its digest.
// Source: OCI distribution specification 1.1. How requests get there is registry_session.hpp's business.
#pragma once

#include "cache/oci/image.hpp"
#include "cache/oci/layer_tar.hpp"
#include "cache/oci/registry_session.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace dbuild::cache::oci {

inline constexpr std::size_t k_max_manifest_bytes = std::size_t{4}
                                                    << 20; // what registries must take, and most do not exceed

struct FetchedManifest {
    Descriptor descriptor;
    std::string bytes;
};

/// Opens a blob from its beginning; once for each attempt to send it.
using BlobOpener = std::function<Result<ByteSource>()>;

enum class PushOutcome { was_there, mounted, uploaded };

/// For all threads of a process. Errors of all members: as RegistrySession::send; what may pass is repeated before.
class Registry {
public:
    /// In: host — as ImageReference::domain. settings — borrowed.
    Registry(std::string host, const RegistrySettings& settings) : session_(std::move(host), settings) {}

    /// By HEAD, which registries that count pulls do not count. In: reference — a tag or a digest.
    /// Holds nothing if there is no such manifest, or the registry does not tell its digest.
    Result<std::optional<Descriptor>> find_manifest(const std::string& repository, const std::string& reference);
    /// Errors: besides, corrupt — not the digest that was asked for, or that the registry names; too long.
    Result<FetchedManifest> fetch_manifest(const std::string& repository, const std::string& reference);

    /// With the rights that pushing takes: who asks means to push what is missing.
    Result<bool> has_blob(const std::string& repository, const Digest& digest);
    /// Hands the blob to `sink`, once and in order: what breaks off is resumed where it was.
    /// Errors: besides, corrupt — the bytes are not those of the descriptor, which shows at the end; the sink's.
    Status fetch_blob(const std::string& repository, const Descriptor& blob, const ByteSink& sink);

    /// In: mount_from — a repository of this registry that has the blob, if it is known; may be empty.
    Result<PushOutcome> push_blob(const std::string& repository, const Descriptor& blob, const BlobOpener& open,
                                  const std::string& mount_from = "");
    /// All blobs that it names must be there. In: reference — a tag, or the manifest's own digest.
    Status push_manifest(const std::string& repository, const std::string& reference, const std::string& media_type,
                         std::string_view bytes);

    const std::string& host() const { return session_.host(); }

private:
    Result<bool> ask_for_blob(const std::string& repository, const Digest& digest); // once
    Result<PushOutcome> push_once(const std::string& repository, const Descriptor& blob, const BlobOpener& open,
                                  const std::string& mount_from);
    RegistrySession session_;
};

/// The registries that one command talks to; each is made when it is first asked for. For all threads.
class Registries {
public:
    explicit Registries(RegistrySettings settings) : settings_(std::move(settings)) {}
    Registries(const Registries&) = delete;
    Registries& operator=(const Registries&) = delete;
    Registry& at(const std::string& host);
    const RegistrySettings& settings() const { return settings_; }

private:
    const RegistrySettings settings_;
    std::mutex mutex_;
    std::map<std::string, std::unique_ptr<Registry>> registries_; // guarded by mutex_
};

} // namespace dbuild::cache::oci
