// SPDX-License-Identifier: Apache-2.0
// Who the user is to a registry, as `docker login` wrote it down: config.json and the credential helpers that it names.
// Source: cli/config/configfile and cli/config/credentials of docker/cli 28; docker-credential-helpers' protocol.
#pragma once

#include "support/result.hpp"

#include <map>
#include <string>
#include <string_view>

namespace dbuild::cache::oci {

/// Nothing of it may reach a message, a log or an argument list.
struct Credentials {
    std::string username, password;
    std::string identity_token; // a refresh token, given to the token server instead of the two above
    std::string registry_token; // a bearer token, used as it is

    bool is_anonymous() const { return username.empty() && identity_token.empty() && registry_token.empty(); }
};

class CredentialStore {
public:
    CredentialStore() = default; // nobody
    /// In: config — the text of docker's config.json. Errors: corrupt.
    static Result<CredentialStore> parse(std::string_view config);

    /// In:     host — "docker.io", "ghcr.io", "localhost:5000". Out: anonymous credentials where none are known.
    /// Order:  the host's own helper, the general one, what stands in the file.
    /// Errors: unavailable — the helper cannot be run or fails; corrupt — it answers with something else than its
    /// protocol.
    Result<Credentials> find(std::string_view host) const;

private:
    std::string general_helper_;                              // "pass" stands for the program docker-credential-pass
    std::map<std::string, std::string, std::less<>> helpers_; // by host
    std::map<std::string, Credentials, std::less<>> entries_; // by host
};

} // namespace dbuild::cache::oci
