// SPDX-License-Identifier: Apache-2.0
// HTTP: one request at a time over one reused connection, to a unix socket (local_http.hpp) or elsewhere
// (remote_http.hpp).
#pragma once

#include "support/result.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
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
    std::vector<std::string> headers;                                    // "Name: value"
    std::function<std::size_t(char* buffer, std::size_t capacity)> body; // source of an upload, 0 at its end
    std::chrono::milliseconds connect_timeout{5000};

    // What follows counts for what goes through libcurl only, not over a unix socket.
    bool follows_redirects = false;          // ten, to http and https only; another host gets no Authorization header
    std::optional<std::uint64_t> body_bytes; // exact length of the upload; without it the body goes in chunks
    std::chrono::seconds stall_timeout{0};   // for so long not one byte a second: transient; 0: no limit
    std::size_t max_held_bytes = SIZE_MAX;   // of an answer that no sink takes; more is corrupt
    std::function<bool()> is_cancelled;      // asked about once a second; true ends the request as interrupted
    /// Sees status and headers of a 2xx answer before the sink gets its first byte.
    std::function<Status(const struct HttpResponse&)> on_head;
};
/// A body that cannot be read to its end returns this: the request is broken off.
inline constexpr std::size_t k_broken_body = SIZE_MAX;

struct HttpResponse {
    int status = 0;
    std::string body;                           // empty where a sink took it
    std::map<std::string, std::string> headers; // names in lower case; not of answers over a unix socket
};

class HttpClient {
public:
    HttpClient();
    ~HttpClient();
    HttpClient(HttpClient&&) noexcept;
    HttpClient& operator=(HttpClient&&) noexcept;

    /// In:     sink — takes the body of a 2xx answer piece by piece.
    /// Errors: unavailable — no connection; transient — broken off; what the sink fails with. A bad status is no error
    /// here.
    Result<HttpResponse> send(const HttpRequest& request,
                              const std::function<Status(std::string_view)>& sink = nullptr);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// Begins to load what requests to other hosts need, which takes some milliseconds, beside everything else.
void prepare_remote_http();

/// Percent-encodes everything but unreserved characters.
std::string url_encode(std::string_view text);

} // namespace dbuild
