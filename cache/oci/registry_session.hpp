// SPDX-License-Identifier: Apache-2.0
// Requests to one registry host, with everything that is the same for all of them: HTTPS or HTTP, certificates,
// authentication, pauses and repetitions, and errors that hold no secret. What is asked is registry.hpp's business.
// Source: distribution specification 1.1; docker's token authentication; moby's registry/config.go (insecure hosts).
#pragma once

#include "cache/oci/credentials.hpp"
#include "support/http.hpp"
#include "support/result.hpp"

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace dbuild::cache::oci {

struct RegistrySettings {
    std::chrono::milliseconds connect_timeout{10'000};
    std::chrono::seconds stall_timeout{60};          // a transfer that stands still for so long is broken off
    int tries = 5;                                   // of what may pass: 408, 429, 5xx, broken connections
    std::chrono::milliseconds first_pause{250};      // doubles each time; a random part of it is waited
    std::chrono::milliseconds longest_pause{20'000}; // also of what Retry-After may ask for
    std::set<std::string> insecure_hosts;            // certificates are not checked, and HTTP will do
    std::vector<std::string> mirrors;                // hosts that are asked for what docker.io has, before it
    /// <folder>/<host[:port]>/ca.crt, client.cert and client.key, as docker's certs.d; the first that is there counts.
    std::vector<std::filesystem::path> certificate_folders;
    CredentialStore credentials;
    std::function<bool()> is_cancelled; // may be empty; called from several threads
};

/// A request as the registry's own host gets it.
struct RegistryRequest {
    std::string method = "GET";
    std::string target; // "/v2/…", or a whole URL that the registry named: another host gets no credentials
    std::vector<std::string> scopes; // "repository:me/app:pull"
    std::vector<std::string> headers = {};
    /// Opens the body anew for each attempt; empty: there is none.
    std::function<Result<std::function<Result<std::size_t>(char*, std::size_t)>>()> open_body = {};
    std::uint64_t body_bytes = 0;
    std::size_t max_held_bytes = std::size_t{1} << 20;
    std::function<Status(const HttpResponse&)> on_head = {};
};

/// For all threads of a process.
class RegistrySession {
public:
    /// In: host — "docker.io", "localhost:5000". settings — borrowed.
    RegistrySession(std::string host, const RegistrySettings& settings);

    /// Sends it once, or twice where the first answer asks for other credentials.
    /// Out:    an answer with a status below 400.
    /// Errors: unauthorized — 401, 403; not_found — 404; transient — 408, 429, 5xx, or broken off; unavailable — no
    ///         connection; interrupted; internal — any other status; what body and sink fail with. Each names host,
    ///         method and target, and what the registry said, without secrets.
    Result<HttpResponse> send(const RegistryRequest& request,
                              const std::function<Status(std::string_view)>& sink = nullptr);

    /// Calls until the result is no transient error, or has been so `tries` times, with pauses between.
    template <class Operation>
    auto repeat(Operation operation) -> decltype(operation()) {
        for (int attempt = 1;; ++attempt) {
            auto result = operation();
            if (result || result.error().kind != ErrorKind::transient || attempt >= settings_.tries) return result;
            DBUILD_TRY(pause(attempt));
        }
    }

    const std::string& host() const { return host_; }
    const RegistrySettings& settings() const { return settings_; }

private:
    struct Origin {
        std::string url; // "https://registry-1.docker.io"
        HttpRoute route;
    };
    struct Authorization {
        std::string header; // "Authorization: …", or empty
        bool is_fresh = false;
    };
    Result<Origin> origin();
    Result<Origin> probe(const std::vector<Origin>& candidates);
    std::vector<Origin> candidates() const;
    Result<HttpResponse> transmit(HttpRequest request, const std::function<Status(std::string_view)>& sink);
    Result<HttpResponse> attempt(const RegistryRequest& request, const Origin& origin, const std::string& authorization,
                                 const std::function<Status(std::string_view)>& sink);
    Result<std::string> authorize(const std::string& challenge, const Origin& origin, const RegistryRequest& request);
    Result<std::string> fetch_token(const std::map<std::string, std::string>& challenge, const Origin& origin,
                                    const std::vector<std::string>& scopes);
    Result<Credentials> credentials();
    tl::unexpected<Error> refused(const RegistryRequest& request, const HttpResponse& response);
    Error described(Error error, const RegistryRequest& request);
    std::string without_secrets(std::string text);
    Status pause(int attempt);
    Status wait_until(std::chrono::steady_clock::time_point moment);
    void note_retry_after(const HttpResponse& response);

    const std::string host_;
    const RegistrySettings& settings_;
    std::mutex mutex_; // guards what follows
    std::optional<Origin> origin_;
    std::optional<Credentials> credentials_;
    std::map<std::vector<std::string>, std::string> authorizations_; // headers by scopes
    std::set<std::string> secrets_;                                  // that must not be in a message
    std::chrono::steady_clock::time_point not_before_{};             // the registry asked everybody to wait
    std::vector<std::unique_ptr<HttpClient>> idle_;
};

/// The parameters of a WWW-Authenticate header; "" holds the scheme in lower case. Source: RFC 9110 §11.
std::map<std::string, std::string> parse_challenge(std::string_view header);

} // namespace dbuild::cache::oci
