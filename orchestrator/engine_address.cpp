// SPDX-License-Identifier: Apache-2.0
// Sources: docker/cli 28: cli/command/cli.go (which context), cli/flags/options.go (TLS), opts/hosts.go (addresses),
// cli/context/store (files), cli/connhelper (SSH), cmd/docker/builder.go (which builder).
#include "orchestrator/engine_address.hpp"

#include "support/digest.hpp"
#include "support/environment.hpp"
#include "support/files.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

namespace fs = std::filesystem;
namespace json = boost::json;

namespace dbuild::orchestrator {
namespace {

constexpr std::string_view k_default_socket = "/var/run/docker.sock";
constexpr std::string_view k_default_context = "default";

/// TLS as far as it is wanted; nothing: plain.
using WantedTls = std::optional<HttpRoute::Tls>;

fs::path if_exists(fs::path path) {
    std::error_code error;
    return fs::exists(path, error) ? std::move(path) : fs::path();
}

struct UserHostPort {
    std::string user, host, port, path; // the path with its slash; may be empty
};

/// "[user@]host[:port][/path]", an IPv6 host in brackets. Errors: unavailable.
Result<UserHostPort> split_authority(std::string_view text, std::string_view whole) {
    UserHostPort parts;
    const auto slash = text.find('/');
    if (slash != text.npos) parts.path = text.substr(slash);
    text = text.substr(0, slash);
    if (const auto at = text.rfind('@'); at != text.npos) {
        parts.user = text.substr(0, at);
        text.remove_prefix(at + 1);
    }
    const auto bracket = text.starts_with('[') ? text.find(']') : text.npos;
    const auto colon = text.find(':', bracket == text.npos ? 0 : bracket);
    parts.host = text.substr(0, colon);
    if (colon != text.npos) parts.port = text.substr(colon + 1);
    const bool is_number =
        std::all_of(parts.port.begin(), parts.port.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!is_number) return fail(ErrorKind::unavailable, fmt::format("{}: \"{}\" is no port", whole, parts.port));
    return parts;
}

Status use_tcp(EngineAddress& address, std::string_view text, const WantedTls& tls) {
    DBUILD_TRY_ASSIGN(auto parts, split_authority(text, address.host));
    if (parts.host.empty()) parts.host = "localhost";
    if (parts.port.empty())
        parts.port = "2375"; // also with TLS: that only an empty DOCKER_HOST means 2376 is docker's rule
    if (parts.path == "/") parts.path.clear();
    address.base_url = fmt::format("{}://{}:{}{}", tls ? "https" : "http", parts.host, parts.port, parts.path);
    if (tls) address.route.tls = *tls;
    address.route.bypasses_proxy =
        tls || parts.host == "localhost" || parts.host == "[::1]" || parts.host.starts_with("127.");
    return {};
}

/// The words that docker's connhelper uses.
Status use_ssh(EngineAddress& address, std::string_view text) {
    DBUILD_TRY_ASSIGN(auto parts, split_authority(text, address.host));
    if (parts.user.find(':') != parts.user.npos)
        return fail(ErrorKind::unavailable, "the engine's SSH address holds a password, which ssh does not take");
    if (parts.host.starts_with('[')) parts.host = parts.host.substr(1, parts.host.size() - 2);
    if (parts.host.empty()) return fail(ErrorKind::unavailable, address.host + " names no host");
    auto& command = address.command;
    command = {"ssh", "-o", "ConnectTimeout=30", "-T"};
    if (!parts.user.empty()) command.insert(command.end(), {"-l", parts.user});
    if (!parts.port.empty()) command.insert(command.end(), {"-p", parts.port});
    command.insert(command.end(), {"--", parts.host, "docker"});
    if (parts.path.find_first_not_of('/') != parts.path.npos) {
        constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-";
        if (parts.path.find_first_not_of(plain) != parts.path.npos) // the remote shell reads it
            return fail(ErrorKind::unsupported, "the path in " + address.host);
        command.push_back("--host=unix://" + parts.path);
    }
    command.insert(command.end(), {"system", "dial-stdio"});
    address.base_url = "http://docker";
    return {};
}

Status use_host(EngineAddress& address, const WantedTls& tls) {
    const std::string_view host = address.host;
    const auto separator = host.find("://");
    std::string_view scheme = host.substr(0, separator);
    auto rest = separator == host.npos ? host : host.substr(separator + 3);
    if (separator == host.npos) scheme = host.starts_with('/') || host.starts_with("./") ? "unix" : "tcp";
    if (scheme == "unix") {
        address.route.unix_socket = rest.empty() ? k_default_socket : rest;
        address.base_url = "http://docker";
        return {};
    }
    if (scheme == "tcp") return use_tcp(address, rest, tls);
    if (scheme == "ssh") return use_ssh(address, rest);
    return fail(ErrorKind::unsupported, "the engine's address " + address.host);
}

WantedTls tls_from_environment(const DockerConfig& config) {
    const bool verifies = !environment("DOCKER_TLS_VERIFY").empty();
    if (!verifies && environment("DOCKER_TLS").empty()) return std::nullopt;
    fs::path folder = environment("DOCKER_CERT_PATH");
    if (folder.empty()) folder = config.folder;
    return HttpRoute::Tls{folder / "ca.pem", if_exists(folder / "cert.pem"), if_exists(folder / "key.pem"), verifies};
}

/// The engine without a context: DOCKER_HOST, else the default socket, else a rootless engine's.
Status use_default(EngineAddress& address, const DockerConfig& config) {
    const auto tls = tls_from_environment(config);
    address.host = environment("DOCKER_HOST");
    if (address.host.empty() && tls) address.host = "tcp://localhost:2376";
    if (address.host.empty()) {
        address.host = fmt::format("unix://{}", k_default_socket);
        const fs::path rootless = environment("XDG_RUNTIME_DIR") + "/docker.sock";
        std::error_code error;
        if (!fs::exists(k_default_socket, error) && fs::is_socket(rootless, error)) {
            address.host = "unix://" + rootless.string();
            address.is_fallback = true;
        }
    }
    return use_host(address, tls);
}

/// A context is a folder named by the SHA-256 of its name: meta/<id>/meta.json, and TLS files in tls/<id>/docker.
Status use_context(EngineAddress& address, const DockerConfig& config) {
    const auto id = sha256(address.context).hex();
    const auto path = config.folder / "contexts" / "meta" / id / "meta.json";
    const auto text = read_file(path);
    if (!text)
        return fail(text.error().kind,
                    fmt::format("there is no docker context \"{}\": {}", address.context, text.error().message));
    boost::system::error_code error;
    const auto value = json::parse(*text, error);
    const auto* host = error ? nullptr : value.find_pointer("/Endpoints/docker/Host", error);
    if (!host || !host->is_string())
        return fail(ErrorKind::unavailable,
                    fmt::format("docker context \"{}\" names no engine: {}", address.context, path.string()));
    address.host = host->get_string();
    const auto* skip = value.find_pointer("/Endpoints/docker/SkipTLSVerify", error);
    const bool verifies = !(skip && skip->is_bool() && skip->get_bool());
    const auto folder = config.folder / "contexts" / "tls" / id / "docker";
    HttpRoute::Tls tls{if_exists(folder / "ca.pem"), if_exists(folder / "cert.pem"), if_exists(folder / "key.pem"),
                       verifies};
    const bool is_wanted = !tls.ca.empty() || !tls.certificate.empty() || !tls.key.empty() || !verifies;
    return use_host(address, is_wanted ? WantedTls(std::move(tls)) : std::nullopt);
}

std::string context_name(const DockerConfig& config) {
    if (!environment("DOCKER_HOST").empty()) return std::string(k_default_context);
    if (auto name = environment("DOCKER_CONTEXT"); !name.empty()) return name;
    return config.current_context.empty() ? std::string(k_default_context) : config.current_context;
}

} // namespace

Result<EngineAddress> find_engine_address(const DockerConfig& config) {
    EngineAddress address;
    address.context = context_name(config);
    for (const auto& [name, value] : config.http_headers) address.headers.push_back(name + ": " + value);
    DBUILD_TRY(address.context == k_default_context ? use_default(address, config) : use_context(address, config));
    return address;
}

void share_with_children(const EngineAddress& address, const DockerConfig& config) {
    if (address.is_fallback) ::setenv("DOCKER_HOST", address.host.c_str(), 1);
    if (environment("BUILDX_BUILDER").empty() && config.builder_alias.empty())
        ::setenv("BUILDX_BUILDER", address.context.c_str(), 1);
}

} // namespace dbuild::orchestrator
