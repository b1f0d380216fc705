// SPDX-License-Identifier: Apache-2.0
#include "cache/oci/registry.hpp"

#include <fmt/format.h>

#include <charconv>

namespace dbuild::cache::oci {
namespace {

constexpr std::string_view k_accepted =
    "Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";
constexpr std::uint64_t k_progress_bytes = std::uint64_t{1}
                                           << 20; // so much between two cuts is worth a new set of tries

std::string pull_scope(const std::string& repository) { return "repository:" + repository + ":pull"; }
std::string push_scope(const std::string& repository) { return "repository:" + repository + ":pull,push"; }

std::string manifest_target(const std::string& repository, const std::string& reference) {
    return fmt::format("/v2/{}/manifests/{}", repository, reference);
}
std::string blob_target(const std::string& repository, const Digest& digest) {
    return fmt::format("/v2/{}/blobs/{}", repository, digest.to_string());
}

std::string header_of(const HttpResponse& response, const char* name) {
    const auto found = response.headers.find(name);
    return found == response.headers.end() ? std::string() : found->second;
}

/// The type without parameters.
std::string media_type_of(const HttpResponse& response) {
    auto type = header_of(response, "content-type");
    return type.substr(0, type.find_first_of("; "));
}

/// Where the bytes of an answer to a request for `offset` and all behind it begin. Source: RFC 9110 §14.4.
Result<std::uint64_t> first_byte(const HttpResponse& response, std::uint64_t offset) {
    if (response.status != 206) return std::uint64_t{0}; // ranges are optional
    const auto range = header_of(response, "content-range");
    std::uint64_t first = 0;
    constexpr std::string_view k_unit = "bytes ";
    const bool is_number =
        range.starts_with(k_unit) &&
        std::from_chars(range.data() + k_unit.size(), range.data() + range.size(), first).ec == std::errc();
    if (!is_number || first > offset)
        return fail(ErrorKind::corrupt, "the registry answers with another range than it was asked for");
    return first;
}

} // namespace

Result<std::optional<Descriptor>> Registry::find_manifest(const std::string& repository, const std::string& reference) {
    const RegistryRequest request{
        "HEAD", manifest_target(repository, reference), {pull_scope(repository)}, {std::string(k_accepted)}};
    const auto response = session_.repeat([&] { return session_.send(request); });
    if (!response && response.error().kind == ErrorKind::not_found) return std::nullopt;
    if (!response) return fail(response.error());
    const auto digest = Digest::parse(header_of(*response, "docker-content-digest"));
    if (!digest) return std::nullopt;
    Descriptor found{media_type_of(*response), *digest, 0};
    const auto length = header_of(*response, "content-length");
    std::from_chars(length.data(), length.data() + length.size(), found.size);
    return found;
}

Result<FetchedManifest> Registry::fetch_manifest(const std::string& repository, const std::string& reference) {
    RegistryRequest request{
        "GET", manifest_target(repository, reference), {pull_scope(repository)}, {std::string(k_accepted)}};
    request.max_held_bytes = k_max_manifest_bytes;
    DBUILD_TRY_ASSIGN(auto response, session_.repeat([&] { return session_.send(request); }));
    FetchedManifest manifest{{media_type_of(response), sha256(response.body), response.body.size()},
                             std::move(response.body)};
    const auto found = manifest.descriptor.digest.to_string();
    const auto named = header_of(response, "docker-content-digest");
    for (const auto& expected :
         {reference.starts_with("sha256:") ? reference : found, named.starts_with("sha256:") ? named : found})
        if (expected != found)
            return fail(ErrorKind::corrupt,
                        fmt::format("registry {}: the manifest {} of {} was delivered with the bytes of {}", host(),
                                    expected, repository, found));
    return manifest;
}

Result<bool> Registry::has_blob(const std::string& repository, const Digest& digest) {
    return session_.repeat([&] { return ask_for_blob(repository, digest); });
}

Result<bool> Registry::ask_for_blob(const std::string& repository, const Digest& digest) {
    const auto found = session_.send({"HEAD", blob_target(repository, digest), {push_scope(repository)}});
    if (found) return true;
    if (found.error().kind == ErrorKind::not_found) return false;
    return fail(found.error());
}

Status Registry::fetch_blob(const std::string& repository, const Descriptor& blob, const ByteSink& sink) {
    Sha256 hasher;
    std::uint64_t received = 0, received_before = 0, position = 0; // position: of the next byte of the current answer
    const auto corrupt = [&](std::string_view what) {
        return fail(ErrorKind::corrupt, fmt::format("registry {}: the blob {} of {} was delivered {}", host(),
                                                    blob.digest.to_string(), repository, what));
    };
    const auto take = [&](std::string_view bytes) -> Status {
        if (position < received) { // known from the attempt before, by a registry that knows no ranges
            const auto known = std::min<std::uint64_t>(bytes.size(), received - position);
            position += known;
            bytes.remove_prefix(known);
        }
        if (bytes.size() > blob.size - received) return corrupt("with more bytes than its descriptor says");
        position += bytes.size();
        received += bytes.size();
        hasher.update(bytes);
        return bytes.empty() ? Status{} : sink(bytes);
    };
    const auto fetch_rest = [&]() -> Status {
        RegistryRequest request{"GET", blob_target(repository, blob.digest), {pull_scope(repository)}};
        if (received > 0) request.headers.push_back(fmt::format("Range: bytes={}-", received));
        request.on_head = [&](const HttpResponse& head) -> Status {
            DBUILD_TRY_ASSIGN(position, first_byte(head, received));
            return {};
        };
        DBUILD_TRY(session_.send(request, take));
        if (received == blob.size) return {};
        return fail(ErrorKind::transient,
                    fmt::format("registry {}: the blob {} of {} was cut off after {} of {} bytes", host(),
                                blob.digest.to_string(), repository, received, blob.size));
    };
    for (;;) {
        const auto done = session_.repeat(fetch_rest);
        if (done) break;
        const bool has_progressed = received >= received_before + k_progress_bytes;
        if (done.error().kind != ErrorKind::transient || !has_progressed) return done;
        received_before = received;
    }
    if (hasher.finish() != blob.digest) return corrupt("with other bytes than its name says");
    return {};
}

Result<PushOutcome> Registry::push_blob(const std::string& repository, const Descriptor& blob, const BlobOpener& open,
                                        const std::string& mount_from) {
    return session_.repeat([&] { return push_once(repository, blob, open, mount_from); });
}

Result<PushOutcome> Registry::push_once(const std::string& repository, const Descriptor& blob, const BlobOpener& open,
                                        const std::string& mount_from) {
    std::vector<std::string> scopes{push_scope(repository)};
    DBUILD_TRY_ASSIGN(const bool is_there, ask_for_blob(repository, blob.digest));
    if (is_there) return PushOutcome::was_there;
    RegistryRequest begin{"POST", fmt::format("/v2/{}/blobs/uploads/", repository), scopes};
    if (!mount_from.empty() && mount_from != repository) {
        begin.target += fmt::format("?mount={}&from={}", blob.digest.to_string(), url_encode(mount_from));
        begin.scopes.push_back(pull_scope(mount_from));
    }
    auto begun = session_.send(begin);
    if (!begun && begun.error().kind == ErrorKind::unauthorized &&
        begin.scopes.size() > 1) { // that one may not be read
        begin.target.resize(begin.target.find('?'));
        begin.scopes = scopes;
        begun = session_.send(begin);
    }
    if (!begun) return fail(begun.error());
    if (begun->status == 201) return PushOutcome::mounted;
    auto location = header_of(*begun, "location");
    if (location.empty())
        return fail(ErrorKind::internal, fmt::format("registry {}: it names no place for an upload", host()));
    location += location.find('?') == location.npos ? "?" : "&";
    RegistryRequest upload{"PUT",
                           location + "digest=" + url_encode(blob.digest.to_string()),
                           begin.scopes,
                           {"Content-Type: application/octet-stream"}};
    upload.body_bytes = blob.size;
    upload.open_body = open;
    DBUILD_TRY(session_.send(upload));
    return PushOutcome::uploaded;
}

Status Registry::push_manifest(const std::string& repository, const std::string& reference,
                               const std::string& media_type, std::string_view bytes) {
    RegistryRequest request{
        "PUT", manifest_target(repository, reference), {push_scope(repository)}, {"Content-Type: " + media_type}};
    request.body_bytes = bytes.size();
    request.open_body = [bytes]() -> Result<ByteSource> {
        return ByteSource([rest = bytes](char* buffer, std::size_t capacity) mutable -> Result<std::size_t> {
            const auto count = rest.copy(buffer, capacity);
            rest.remove_prefix(count);
            return count;
        });
    };
    DBUILD_TRY(session_.repeat([&] { return session_.send(request); }));
    return {};
}

Registry& Registries::at(const std::string& host) {
    const std::scoped_lock lock(mutex_);
    auto& registry = registries_[host];
    if (!registry) registry = std::make_unique<Registry>(host, settings_);
    return *registry;
}

} // namespace dbuild::cache::oci
