// SPDX-License-Identifier: Apache-2.0
#include "support/http.hpp"

#include <curl/curl.h>

#include <array>
#include <cstring>

namespace dbuild {

struct HttpClient::Impl {
    CURL* handle = curl_easy_init();
    std::array<char, CURL_ERROR_SIZE> reason{};
    ~Impl() { curl_easy_cleanup(handle); }
};

HttpClient::HttpClient() = default;
HttpClient::~HttpClient() = default;
HttpClient::HttpClient(HttpClient&&) noexcept = default;
HttpClient& HttpClient::operator=(HttpClient&&) noexcept = default;

namespace {

struct Transfer {
    CURL* handle = nullptr;
    const HttpRequest* request = nullptr;
    const std::function<Status(std::string_view)>* sink = nullptr;
    HttpResponse response;
    Status sink_status;
};

std::size_t take_body(char* data, std::size_t, std::size_t size, void* context) {
    auto& transfer = *static_cast<Transfer*>(context);
    long status = 0;
    curl_easy_getinfo(transfer.handle, CURLINFO_RESPONSE_CODE, &status);
    if (!*transfer.sink || status >= 300) {
        transfer.response.body.append(data, size);
        return size;
    }
    transfer.sink_status = (*transfer.sink)({data, size});
    return transfer.sink_status ? size : 0; // 0 ends the transfer
}

std::size_t give_body(char* buffer, std::size_t unit, std::size_t count, void* context) {
    return static_cast<Transfer*>(context)->request->body(buffer, unit * count);
}

void set_route(CURL* handle, const HttpRoute& route) {
    if (!route.unix_socket.empty()) curl_easy_setopt(handle, CURLOPT_UNIX_SOCKET_PATH, route.unix_socket.c_str());
    if (route.bypasses_proxy) curl_easy_setopt(handle, CURLOPT_PROXY, "");
    if (!route.tls.ca.empty()) curl_easy_setopt(handle, CURLOPT_CAINFO, route.tls.ca.c_str());
    if (!route.tls.certificate.empty()) curl_easy_setopt(handle, CURLOPT_SSLCERT, route.tls.certificate.c_str());
    if (!route.tls.key.empty()) curl_easy_setopt(handle, CURLOPT_SSLKEY, route.tls.key.c_str());
    curl_easy_setopt(handle, CURLOPT_SSL_VERIFYPEER, route.tls.verifies ? 1L : 0L);
    curl_easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, route.tls.verifies ? 2L : 0L);
}

/// Whether no connection came about: trying again at once is no use.
bool is_unreachable(CURLcode code) {
    switch (code) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_OPERATION_TIMEDOUT: // only connecting has a limit
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_PEER_FAILED_VERIFICATION: return true;
    default: return false;
    }
}

/// The system's own words where it refused the connection, else libcurl's.
std::string explain(CURL* handle, CURLcode code, const char* reason) {
    long number = 0;
    curl_easy_getinfo(handle, CURLINFO_OS_ERRNO, &number);
    if (code == CURLE_COULDNT_CONNECT && number != 0) return std::strerror(static_cast<int>(number));
    return *reason ? reason : curl_easy_strerror(code);
}

struct HeaderList {
    curl_slist* items = nullptr;
    ~HeaderList() { curl_slist_free_all(items); }
    void add(const std::string& text) { items = curl_slist_append(items, text.c_str()); }
};

} // namespace

Result<HttpResponse> HttpClient::send(const HttpRequest& request, const std::function<Status(std::string_view)>& sink) {
    if (!impl_) impl_ = std::make_unique<Impl>();
    CURL* handle = impl_->handle;
    if (!handle) return fail(ErrorKind::unavailable, "libcurl cannot be initialised");
    curl_easy_reset(handle); // options only: the connection stays
    Transfer transfer{handle, &request, &sink, {}, {}};
    impl_->reason.front() = '\0';
    curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, impl_->reason.data());
    curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1); // HTTP/2 has no chunked uploads
    HeaderList headers;
    for (const auto& header : request.headers) headers.add(header);
    headers.add("Expect:"); // no wait for "100 Continue"
    curl_easy_setopt(handle, CURLOPT_URL, request.url.c_str());
    curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    set_route(handle, request.route);
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connect_timeout.count()));
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, &transfer);
    if (request.body) {
        headers.add("Transfer-Encoding: chunked");
        curl_easy_setopt(handle, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str());
        curl_easy_setopt(handle, CURLOPT_READFUNCTION, give_body);
        curl_easy_setopt(handle, CURLOPT_READDATA, &transfer);
    } else if (request.method == "POST") {
        curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE, 0L);
        curl_easy_setopt(handle, CURLOPT_POST, 1L);
    }
    curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers.items);
    const CURLcode code = curl_easy_perform(handle);
    if (!transfer.sink_status) return fail(std::move(transfer.sink_status).error());
    if (code != CURLE_OK)
        return fail(is_unreachable(code) ? ErrorKind::unavailable : ErrorKind::transient,
                    explain(handle, code, impl_->reason.data()));
    long status = 0;
    curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
    transfer.response.status = static_cast<int>(status);
    return std::move(transfer.response);
}

std::string url_encode(std::string_view text) {
    static constexpr char digits[] = "0123456789ABCDEF";
    std::string encoded;
    for (const char c : text) {
        const bool is_unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                                   c == '.' || c == '_' || c == '~';
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
