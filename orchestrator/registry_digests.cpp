// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/registry_digests.hpp"

#include "cache/oci/reference.hpp"
#include "cache/oci/registry.hpp"
#include "orchestrator/registry_settings.hpp"
#include "support/parallel.hpp"

namespace oci = dbuild::cache::oci;

namespace dbuild::orchestrator {
namespace {

constexpr std::size_t k_requests_at_once = 16; // they only wait

std::string find_digest(oci::Registries& registries, const std::string& reference) {
    const auto name = oci::ImageReference::parse(reference);
    if (!name) return {};
    if (!name->digest.empty()) return name->digest;
    const auto found = registries.at(name->domain).find_manifest(name->path, name->tag);
    return found && *found ? (*found)->digest.to_string() : std::string();
}

} // namespace

std::map<std::string, std::string> registry_digests(const std::vector<std::string>& references,
                                                    const std::atomic<bool>& cancelled) {
    if (references.empty()) return {};
    auto settings = read_registry_settings(cancelled);
    if (!settings) return {};
    settings->tries = 1;
    oci::Registries registries(std::move(*settings));
    std::vector<std::string> found(references.size());
    static_cast<void>(for_each_parallel(references.size(), k_requests_at_once, [&](std::size_t i) -> Status {
        found[i] = find_digest(registries, references[i]);
        return {};
    })); // which never fails
    std::map<std::string, std::string> digests;
    for (std::size_t i = 0; i < references.size(); ++i)
        if (!found[i].empty()) digests.emplace(references[i], std::move(found[i]));
    return digests;
}

} // namespace dbuild::orchestrator
