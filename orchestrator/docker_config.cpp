// SPDX-License-Identifier: Apache-2.0
// Sources: cli/config/configfile and cmd/docker/builder.go of docker/cli 28, store of docker/buildx.
#include "orchestrator/docker_config.hpp"

#include "dockerfile_parser/unicode.hpp"
#include "support/environment.hpp"
#include "support/files.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <iterator>

namespace json = boost::json;

namespace dbuild::orchestrator {
namespace {

constexpr std::pair<std::string_view, const char*> k_proxy_names[] = {{"httpProxy", "HTTP_PROXY"},
                                                                      {"httpsProxy", "HTTPS_PROXY"},
                                                                      {"ftpProxy", "FTP_PROXY"},
                                                                      {"noProxy", "NO_PROXY"},
                                                                      {"allProxy", "ALL_PROXY"}};

std::string text_at(const json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

std::vector<std::filesystem::path> read_extra_plugin_folders(const json::object& object) {
    std::vector<std::filesystem::path> folders;
    const auto* extra = object.if_contains("cliPluginsExtraDirs");
    if (!extra || !extra->is_array()) return folders;
    for (const auto& folder : extra->get_array())
        if (folder.is_string()) folders.emplace_back(folder.get_string().c_str());
    return folders;
}

bool is_line(std::string_view text) { return text.find_first_of("\r\n") == text.npos; }

/// Names that dbuild sets itself are not for others to change, as with docker.
bool is_header(std::string_view name) {
    static constexpr std::string_view k_own[] = {"host", "content-type", "content-length", "transfer-encoding"};
    const auto lower = dockerfile_parser::ascii_lower(name);
    return !name.empty() && is_line(name) && name.find_first_of(": ") == name.npos &&
           std::find(std::begin(k_own), std::end(k_own), lower) == std::end(k_own);
}

std::map<std::string, std::string> read_proxies(const json::object& object) {
    std::map<std::string, std::string> arguments;
    for (const auto& [member, variable] : k_proxy_names) {
        const auto value = text_at(object, member);
        if (value.empty()) continue;
        arguments.emplace(variable, value);
        arguments.emplace(dockerfile_parser::ascii_lower(variable), value);
    }
    return arguments;
}

} // namespace

const std::map<std::string, std::string>& DockerConfig::proxy_arguments(const std::string& host) const {
    static const std::map<std::string, std::string> none;
    auto found = proxies.find(host);
    if (found == proxies.end()) found = proxies.find("default");
    return found == proxies.end() ? none : found->second;
}

std::string DockerConfig::installed_builder() const {
    if (builder_alias.empty()) return "";
    const auto set = environment("BUILDX_CONFIG");
    const auto text = read_file((set.empty() ? folder / "buildx" : std::filesystem::path(set)) / "current");
    if (!text) return "";
    boost::system::error_code error;
    const auto value = json::parse(*text, error);
    return error || !value.is_object() ? "" : text_at(value.get_object(), "Name");
}

std::filesystem::path docker_config_folder() {
    const auto set = environment("DOCKER_CONFIG");
    return set.empty() ? std::filesystem::path(environment("HOME")) / ".docker" : std::filesystem::path(set);
}

Result<DockerConfig> read_docker_config() {
    DockerConfig config;
    config.folder = docker_config_folder();
    const auto own_plugins = config.folder / "cli-plugins";
    config.plugin_folders = {own_plugins};
    const auto path = config.folder / "config.json";
    const auto text = read_file(path);
    if (!text && text.error().kind == ErrorKind::not_found) return config;
    if (!text) return fail(ErrorKind::unsupported, text.error().message);
    boost::system::error_code error;
    const auto value = json::parse(*text, error);
    if (error || !value.is_object()) return fail(ErrorKind::unsupported, path.string() + " is no JSON object");
    const auto& object = value.get_object();
    config.current_context = text_at(object, "currentContext");
    if (const auto* aliases = object.if_contains("aliases"); aliases && aliases->is_object())
        config.builder_alias = text_at(aliases->get_object(), "builder");
    if (const auto* headers = object.if_contains("HttpHeaders"); headers && headers->is_object())
        for (const auto& [name, header] : headers->get_object())
            if (is_header(name) && header.is_string() && is_line(header.get_string()))
                config.http_headers[name] = header.get_string();
    config.plugin_folders = read_extra_plugin_folders(object);
    config.plugin_folders.push_back(own_plugins);
    if (const auto* proxies = object.if_contains("proxies"); proxies && proxies->is_object())
        for (const auto& [host, settings] : proxies->get_object())
            if (settings.is_object()) config.proxies[host] = read_proxies(settings.get_object());
    return config;
}

} // namespace dbuild::orchestrator
