// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/registry_settings.hpp"

#include "orchestrator/command_line/fields.hpp"
#include "orchestrator/docker_config.hpp"
#include "support/environment.hpp"
#include "support/files.hpp"

#include <boost/json.hpp>

#include <charconv>

namespace json = boost::json;

namespace dbuild::orchestrator {
namespace {

constexpr const char* k_daemon_file = "/etc/docker/daemon.json";

/// What the engine's own configuration names, if it can be read; a file that it would not start with names none.
std::vector<std::string> mirrors_of_engine() {
    const auto text = read_file(k_daemon_file);
    if (!text) return {};
    boost::system::error_code error;
    const auto value = json::parse(*text, error);
    const auto* object = error ? nullptr : value.if_object();
    const auto* list = object ? object->if_contains("registry-mirrors") : nullptr;
    std::vector<std::string> urls;
    if (list && list->is_array())
        for (const auto& url : list->get_array())
            if (url.is_string()) urls.emplace_back(url.get_string());
    return urls;
}

/// Errors: usage — one of DBUILD_REGISTRY_MIRRORS is no URL of a host.
Status add_mirrors(cache::oci::RegistrySettings& settings) {
    auto given = split_list(environment("DBUILD_REGISTRY_MIRRORS"));
    std::erase(given, "");
    for (const auto& url : given.empty() ? mirrors_of_engine() : given) {
        const bool is_plain = url.starts_with("http://");
        auto host = is_plain ? url.substr(7) : url.starts_with("https://") ? url.substr(8) : std::string();
        while (host.ends_with('/')) host.pop_back();
        if (host.empty() || host.find_first_of("/@?") != host.npos) {
            if (given.empty()) continue; // the engine may know more than dbuild does
            return fail(ErrorKind::usage, "DBUILD_REGISTRY_MIRRORS: \"" + url + "\" is not http[s]://HOST[:PORT]");
        }
        if (is_plain) settings.insecure_hosts.insert(host);
        settings.mirrors.push_back(std::move(host));
    }
    return {};
}

} // namespace

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
    for (auto& host : split_list(environment("DBUILD_INSECURE_REGISTRIES")))
        if (!host.empty()) settings.insecure_hosts.insert(std::move(host));
    DBUILD_TRY(add_mirrors(settings));
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
