// SPDX-License-Identifier: Apache-2.0
// HTTP: one request at a time over one reused connection, to a unix socket (local_http.hpp) or elsewhere (remote_http.hpp).
#pragma once

#include "support/result.hpp"

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace dbuild {

/// How a server is reached, where its URL does not say it.
struct HttpRoute {
    struct Tls {
        std::filesystem::path ca;          // certificates to trust besides the system's; empty: none
        std::filesystem::path certificate; // the client's own, PEM; empty: none
        std::filesystem::path key;
        bool verifies = true; // that the server is who it says
    };
    std::filesystem::path unix_socket; // empty: none
    Tls tls;                           // counts for https URLs
    bool bypasses_proxy = false;       // whatever the environment says
};

struct HttpRequest {
    std::string method = "GET";
    std::string url;
    HttpRoute route;
    std::vector<std::string> headers;                                   // "Name: value"
    std::function<std::size_t(char* buffer, std::size_t capacity)> body; // source of an upload, 0 at its end
    std::chrono::milliseconds connect_timeout{5000};
    bool follows_redirects = false; // to http and https only; not over a unix socket
};
struct HttpResponse {
    int status = 0;
    std::string body; // empty where a sink took it
    std::map<std::string, std::string> headers; // names in lower case; not of answers over a unix socket
};

class HttpClient {
public:
    HttpClient();
    ~HttpClient();
    HttpClient(HttpClient&&) noexcept;
    HttpClient& operator=(HttpClient&&) noexcept;

    /// In:     sink — takes the body of a 2xx answer piece by piece.
    /// Errors: unavailable — no connection; transient — broken off; what the sink fails with. A bad status is no error here.
    Result<HttpResponse> send(const HttpRequest& request, const std::function<Status(std::string_view)>& sink = nullptr);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// Percent-encodes everything but unreserved characters.
std::string url_encode(std::string_view text);

} // namespace dbuild
