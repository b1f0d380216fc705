// SPDX-License-Identifier: Apache-2.0
#include "support/http.hpp"

#include "support/local_http.hpp"
#include "support/remote_http.hpp"

#include <optional>

namespace dbuild {

/// Either may be made by the first request that needs it.
struct HttpClient::Impl {
    std::optional<LocalHttp> local;
    std::optional<RemoteHttp> remote;
};

HttpClient::HttpClient() : impl_(std::make_unique<Impl>()) {}
HttpClient::~HttpClient() = default;
HttpClient::HttpClient(HttpClient&&) noexcept = default;
HttpClient& HttpClient::operator=(HttpClient&&) noexcept = default;

Result<HttpResponse> HttpClient::send(const HttpRequest& request, const std::function<Status(std::string_view)>& sink) {
    const auto& socket = request.route.unix_socket;
    if (!socket.empty() && request.url.starts_with("http://")) {
        if (!impl_->local || impl_->local->socket() != socket) impl_->local.emplace(socket);
        return impl_->local->send(request, sink);
    }
    if (!impl_->remote) impl_->remote.emplace();
    return impl_->remote->send(request, sink);
}

std::string url_encode(std::string_view text) {
    static constexpr char digits[] = "0123456789ABCDEF";
    std::string encoded;
    for (const char c : text) {
        const bool is_unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                                   c == '-' || c == '.' || c == '_' || c == '~';
        if (is_unreserved) {
            encoded += c;
        } else {
            const auto byte = static_cast<unsigned char>(c);
            encoded += {'%', digits[byte >> 4], digits[byte & 15]};
        }
    }
    return encoded;
}

} // namespace dbuild
