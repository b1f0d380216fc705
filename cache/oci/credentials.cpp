// SPDX-License-Identifier: Apache-2.0
#include "cache/oci/credentials.hpp"

#include "support/base64.hpp"
#include "support/process.hpp"

#include <boost/json.hpp>

namespace json = boost::json;

namespace dbuild::cache::oci {
namespace {

constexpr std::string_view k_hub = "docker.io";
constexpr std::string_view k_hub_key = "https://index.docker.io/v1/"; // what docker login writes for it
constexpr std::string_view k_token_user = "<token>";                  // the secret is an identity token

std::string text_at(const json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

/// Keys of the file are hosts or old-style URLs: "https://ghcr.io/v2/" is "ghcr.io".
std::string host_of_key(std::string_view key) {
    if (const auto scheme = key.find("://"); scheme != key.npos) key.remove_prefix(scheme + 3);
    key = key.substr(0, key.find('/'));
    return std::string(key == "index.docker.io" ? k_hub : key);
}

std::string key_of_host(std::string_view host) { return std::string(host == k_hub ? k_hub_key : host); }

Result<Credentials> read_entry(const json::object& object) {
    Credentials found{text_at(object, "username"), text_at(object, "password"), text_at(object, "identitytoken"),
                      text_at(object, "registrytoken")};
    if (const auto encoded = text_at(object, "auth"); !encoded.empty()) {
        const auto pair = base64_decode(encoded).value_or("");
        const auto colon = pair.find(':');
        if (colon == pair.npos) return fail(ErrorKind::corrupt, "no name and password in it");
        found.username = pair.substr(0, colon);
        found.password = pair.substr(colon + 1);
        while (!found.password.empty() && found.password.back() == '\0') found.password.pop_back(); // as docker does
    }
    return found;
}

Result<Credentials> ask_helper(const std::string& helper, std::string_view host) {
    const auto program = "docker-credential-" + helper;
    ProcessOptions process{{program, "get"}, key_of_host(host)};
    std::string answer;
    // Its words are not repeated: nobody knows what they hold.
    DBUILD_TRY_ASSIGN(const auto result, run_process(
                                             process, [&](std::string_view text) { answer += text; }, [](auto) {}));
    if (result.exit_status != 0) {
        if (answer.find("credentials not found") != answer.npos) return Credentials{};
        return fail(ErrorKind::unavailable, program + " failed for " + std::string(host));
    }
    boost::system::error_code error;
    const auto value = json::parse(answer, error);
    if (error || !value.is_object()) return fail(ErrorKind::corrupt, program + ": its answer is no JSON object");
    auto username = text_at(value.get_object(), "Username"), secret = text_at(value.get_object(), "Secret");
    if (username == k_token_user) return Credentials{{}, {}, std::move(secret), {}};
    return Credentials{std::move(username), std::move(secret), {}, {}};
}

} // namespace

Result<CredentialStore> CredentialStore::parse(std::string_view config) {
    boost::system::error_code error;
    const auto value = json::parse({config.data(), config.size()}, error);
    if (error || !value.is_object()) return fail(ErrorKind::corrupt, "docker's config.json is no JSON object");
    const auto& object = value.get_object();
    CredentialStore store;
    store.general_helper_ = text_at(object, "credsStore");
    if (const auto* helpers = object.if_contains("credHelpers"); helpers && helpers->is_object())
        for (const auto& [host, helper] : helpers->get_object())
            if (helper.is_string()) store.helpers_[host_of_key(host)] = std::string(helper.get_string());
    if (const auto* entries = object.if_contains("auths"); entries && entries->is_object())
        for (const auto& [key, entry] : entries->get_object()) {
            if (!entry.is_object()) continue;
            auto found = read_entry(entry.get_object());
            if (!found)
                return fail(ErrorKind::corrupt,
                            "docker's config.json: the entry of " + host_of_key(key) + " cannot be read");
            store.entries_[host_of_key(key)] = std::move(*found);
        }
    return store;
}

Result<Credentials> CredentialStore::find(std::string_view host) const {
    if (const auto helper = helpers_.find(host); helper != helpers_.end()) return ask_helper(helper->second, host);
    if (!general_helper_.empty()) {
        DBUILD_TRY_ASSIGN(auto found, ask_helper(general_helper_, host));
        if (!found.is_anonymous()) return found;
    }
    const auto entry = entries_.find(host);
    return entry == entries_.end() ? Credentials{} : entry->second;
}

} // namespace dbuild::cache::oci
