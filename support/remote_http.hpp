// SPDX-License-Identifier: Apache-2.0
// HTTP by libcurl, whose header stays in remote_http.cpp: TCP, TLS and proxies. Part of HttpClient (http.hpp).
#pragma once

#include "support/http.hpp"

namespace dbuild {

class RemoteHttp {
public:
    RemoteHttp();
    ~RemoteHttp();

    /// As HttpClient::send. Errors: further unavailable — libcurl is not installed.
    Result<HttpResponse> send(const HttpRequest& request, const std::function<Status(std::string_view)>& sink);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace dbuild
