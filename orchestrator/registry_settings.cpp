// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/registry_settings.hpp"

#include "orchestrator/docker_config.hpp"
#include "support/environment.hpp"
#include "support/files.hpp"

#include <charconv>

namespace dbuild::orchestrator {

Result<cache::oci::RegistrySettings> read_registry_settings(const std::atomic<bool>& cancelled) {
    cache::oci::RegistrySettings settings;
    settings.is_cancelled = [&cancelled] { return cancelled.load(); };
    const auto folder = docker_config_folder();
    settings.certificate_folders = {folder / "certs.d", "/etc/docker/certs.d"};
    const auto config = read_file(folder / "config.json");
    if (config) {
        DBUILD_TRY_ASSIGN(settings.credentials, cache::oci::CredentialStore::parse(*config));
    } else if (config.error().kind != ErrorKind::not_found) {
        return fail(config.error());
    }
    const auto hosts = environment("DBUILD_INSECURE_REGISTRIES");
    for (std::size_t begin = 0; begin < hosts.size();) {
        const auto end = std::min(hosts.find(',', begin), hosts.size());
        if (end > begin) settings.insecure_hosts.insert(hosts.substr(begin, end - begin));
        begin = end + 1;
    }
    if (const auto text = environment("DBUILD_REGISTRY_TIMEOUT"); !text.empty()) {
        int seconds = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
        if (error != std::errc() || end != text.data() + text.size() || seconds < 1)
            return fail(ErrorKind::usage, "DBUILD_REGISTRY_TIMEOUT: \"" + text + "\" is no number of seconds");
        settings.stall_timeout = std::chrono::seconds(seconds);
        settings.connect_timeout =
            std::min<std::chrono::milliseconds>(settings.connect_timeout, settings.stall_timeout);
    }
    return settings;
}

} // namespace dbuild::orchestrator
