// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 over a unix socket: how a local engine is asked. Part of HttpClient (http.hpp), and in a file of its own so
// that a build with a local engine loads neither libcurl nor the thirty libraries that it needs.
#pragma once

#include "support/http.hpp"

namespace dbuild {

class LocalHttp {
public:
    explicit LocalHttp(std::filesystem::path socket);
    ~LocalHttp();

    const std::filesystem::path& socket() const;
    /// As HttpClient::send; the URL is http://, and only its path counts. One connection, kept while the server keeps
    /// it. Errors: further interrupted — a signal came while the answer was awaited.
    Result<HttpResponse> send(const HttpRequest& request, const std::function<Status(std::string_view)>& sink);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace dbuild
