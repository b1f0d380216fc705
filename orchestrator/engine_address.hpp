// SPDX-License-Identifier: Apache-2.0
// Where the engine is, found as docker's own program finds it: DOCKER_HOST; else the context that DOCKER_CONTEXT names,
// or that `docker context use` chose; else the default socket. Unix sockets, TCP, TCP with TLS, and SSH.
#pragma once

#include "orchestrator/docker_config.hpp"
#include "support/http.hpp"

namespace dbuild::orchestrator {

struct EngineAddress {
    std::string context = "default"; // docker's name for it, which is also the name of the engine's own builder
    std::string host;                // as docker writes it: "unix:///var/run/docker.sock"
    std::string base_url;            // of requests; no slash at the end
    HttpRoute route;
    std::vector<std::string> headers; // that config.json adds to every request
    std::vector<std::string> command; // a program whose standard streams are a connection to it; empty: none
    bool is_fallback = false;         // a rootless engine's socket, which docker finds only where it is told of it
};

/// In:      the environment: DOCKER_HOST, DOCKER_CONTEXT, DOCKER_TLS_VERIFY, DOCKER_TLS, DOCKER_CERT_PATH,
/// XDG_RUNTIME_DIR. Errors:  not_found — there is no such context; unavailable — its files cannot be read or
/// DOCKER_HOST is no address;
///          unsupported — an address that only docker itself understands.
Result<EngineAddress> find_engine_address(const DockerConfig& config);

/// Sets this process's environment so that every `docker buildx` that it starts uses this engine; and, unless
/// BUILDX_BUILDER or `docker buildx install` say otherwise, the engine's own builder, as `docker build` does (`docker
/// buildx build` by itself follows `docker buildx use`).
void share_with_children(const EngineAddress& address, const DockerConfig& config);

} // namespace dbuild::orchestrator
