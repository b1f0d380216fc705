// SPDX-License-Identifier: Apache-2.0
#include "support/remote_http.hpp"

#include "support/shared_library.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <thread>

namespace dbuild {
namespace {

/// libcurl, loaded by the first request that needs it: it brings thirty libraries along, which took half of the time of
/// a build in which nothing changed.
struct Curl {
    static Result<Curl> load() {
        Curl curl;
        SharedLibrary library("libcurl.so.4");
        library.find(curl.easy_cleanup, "curl_easy_cleanup");
        library.find(curl.easy_getinfo, "curl_easy_getinfo");
        library.find(curl.easy_init, "curl_easy_init");
        library.find(curl.easy_perform, "curl_easy_perform");
        library.find(curl.easy_reset, "curl_easy_reset");
        library.find(curl.easy_setopt, "curl_easy_setopt");
        library.find(curl.easy_strerror, "curl_easy_strerror");
        library.find(curl.slist_append, "curl_slist_append");
        library.find(curl.slist_free_all, "curl_slist_free_all");
        if (!library.is_complete()) return fail(ErrorKind::unavailable, "libcurl: " + library.problem());
        return curl;
    }

    decltype(&curl_easy_cleanup) easy_cleanup;
    decltype(&curl_easy_getinfo) easy_getinfo;
    decltype(&curl_easy_init) easy_init;
    decltype(&curl_easy_perform) easy_perform;
    decltype(&curl_easy_reset) easy_reset;
    decltype(&curl_easy_setopt) easy_setopt;
    decltype(&curl_easy_strerror) easy_strerror;
    decltype(&curl_slist_append) slist_append;
    decltype(&curl_slist_free_all) slist_free_all;
};

struct Transfer {
    const Curl& curl;
    CURL* handle = nullptr;
    const HttpRequest* request = nullptr;
    const std::function<Status(std::string_view)>* sink = nullptr;
    HttpResponse response;
    Status sink_status; // also of whatever else of ours ended the transfer
    bool has_head = false;
};

/// An answer's status and headers are known; only an answer that the sink gets is of interest.
Status note_head(Transfer& transfer, long status) {
    if (transfer.has_head || !transfer.request->on_head) return {};
    transfer.has_head = true;
    transfer.response.status = static_cast<int>(status);
    return transfer.request->on_head(transfer.response);
}

std::size_t take_body(char* data, std::size_t, std::size_t size, void* context) {
    auto& transfer = *static_cast<Transfer*>(context);
    long status = 0;
    transfer.curl.easy_getinfo(transfer.handle, CURLINFO_RESPONSE_CODE, &status);
    if (!*transfer.sink || status >= 300) {
        auto& body = transfer.response.body;
        if (size > transfer.request->max_held_bytes - std::min(body.size(), transfer.request->max_held_bytes))
            transfer.sink_status = fail(ErrorKind::corrupt, "the answer is longer than it may be");
        else
            body.append(data, size);
        return transfer.sink_status ? size : 0; // 0 ends the transfer
    }
    transfer.sink_status = note_head(transfer, status);
    if (transfer.sink_status) transfer.sink_status = (*transfer.sink)({data, size});
    return transfer.sink_status ? size : 0;
}

int note_progress(void* context, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    auto& transfer = *static_cast<Transfer*>(context);
    if (!transfer.request->is_cancelled || !transfer.request->is_cancelled()) return 0;
    transfer.sink_status = fail(ErrorKind::interrupted, "interrupted");
    return 1; // ends the transfer
}

/// One line of an answer's head; each answer of a chain of redirects begins anew.
std::size_t take_header(char* data, std::size_t, std::size_t size, void* context) {
    auto& response = static_cast<Transfer*>(context)->response;
    std::string_view line(data, size);
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
    const auto colon = line.find(':');
    if (line.starts_with("HTTP/")) {
        response.headers.clear();
        response.body.clear();
    } else if (colon != line.npos) {
        std::string name(line.substr(0, colon));
        for (auto& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        const auto begin = line.find_first_not_of(" \t", colon + 1);
        response.headers[name] = begin == line.npos ? std::string_view() : line.substr(begin);
    }
    return size;
}

std::size_t give_body(char* buffer, std::size_t unit, std::size_t count, void* context) {
    const auto given = static_cast<Transfer*>(context)->request->body(buffer, unit * count);
    return given == k_broken_body ? std::size_t{CURL_READFUNC_ABORT} : given;
}

void set_route(const Curl& curl, CURL* handle, const HttpRoute& route) {
    if (!route.unix_socket.empty()) curl.easy_setopt(handle, CURLOPT_UNIX_SOCKET_PATH, route.unix_socket.c_str());
    if (route.bypasses_proxy) curl.easy_setopt(handle, CURLOPT_PROXY, "");
    if (!route.tls.ca.empty()) curl.easy_setopt(handle, CURLOPT_CAINFO, route.tls.ca.c_str());
    if (!route.tls.certificate.empty()) curl.easy_setopt(handle, CURLOPT_SSLCERT, route.tls.certificate.c_str());
    if (!route.tls.key.empty()) curl.easy_setopt(handle, CURLOPT_SSLKEY, route.tls.key.c_str());
    curl.easy_setopt(handle, CURLOPT_SSL_VERIFYPEER, route.tls.verifies ? 1L : 0L);
    curl.easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, route.tls.verifies ? 2L : 0L);
}

/// Whether no connection, or none to the server that is meant, came about: trying again at once is no use.
bool is_unreachable(const Curl& curl, CURL* handle, CURLcode code) {
    curl_off_t connected = 0; // microseconds; 0: never
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT: // of connecting, or stalled
        curl.easy_getinfo(handle, CURLINFO_PRETRANSFER_TIME_T, &connected);
        return connected == 0;
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_TOO_MANY_REDIRECTS:
    case CURLE_UNSUPPORTED_PROTOCOL: return true;
    default: return false;
    }
}

/// The system's own words where it refused the connection, else libcurl's.
std::string explain(const Curl& curl, CURL* handle, CURLcode code, const char* reason) {
    long number = 0;
    curl.easy_getinfo(handle, CURLINFO_OS_ERRNO, &number);
    if (code == CURLE_COULDNT_CONNECT && number != 0) return std::strerror(static_cast<int>(number));
    return *reason ? reason : curl.easy_strerror(code);
}

struct HeaderList {
    const Curl& curl;
    curl_slist* items = nullptr;
    ~HeaderList() { curl.slist_free_all(items); }
    void add(const std::string& text) { items = curl.slist_append(items, text.c_str()); }
};

} // namespace

void prepare_remote_http() {
    std::thread([] { (void)Curl::load(); }).detach(); // who needs it waits for it, or says why it cannot be had
}

struct RemoteHttp::Impl {
    explicit Impl(const Curl& library) : curl(library), handle(curl.easy_init()) {}
    ~Impl() { curl.easy_cleanup(handle); }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;
    Curl curl;
    CURL* handle;
    std::array<char, CURL_ERROR_SIZE> reason{};
};

RemoteHttp::RemoteHttp() = default;
RemoteHttp::~RemoteHttp() = default;

Result<HttpResponse> RemoteHttp::send(const HttpRequest& request, const std::function<Status(std::string_view)>& sink) {
    if (!impl_) {
        DBUILD_TRY_ASSIGN(const auto library, Curl::load());
        impl_ = std::make_unique<Impl>(library);
    }
    const auto& curl = impl_->curl;
    CURL* handle = impl_->handle;
    if (!handle) return fail(ErrorKind::unavailable, "libcurl cannot be initialised");
    curl.easy_reset(handle); // options only: the connection stays
    Transfer transfer{curl, handle, &request, &sink, {}, {}};
    impl_->reason.front() = '\0';
    curl.easy_setopt(handle, CURLOPT_ERRORBUFFER, impl_->reason.data());
    curl.easy_setopt(handle, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1); // HTTP/2 has no chunked uploads
    HeaderList headers{curl};
    for (const auto& header : request.headers) headers.add(header);
    headers.add("Expect:"); // no wait for "100 Continue"
    curl.easy_setopt(handle, CURLOPT_URL, request.url.c_str());
    curl.easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    set_route(curl, handle, request.route);
    curl.easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl.easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connect_timeout.count()));
    curl.easy_setopt(handle, CURLOPT_BUFFERSIZE, 256L << 10);
    curl.easy_setopt(handle, CURLOPT_WRITEFUNCTION, take_body);
    curl.easy_setopt(handle, CURLOPT_WRITEDATA, &transfer);
    curl.easy_setopt(handle, CURLOPT_HEADERFUNCTION, take_header);
    curl.easy_setopt(handle, CURLOPT_HEADERDATA, &transfer);
    if (request.follows_redirects) {
        curl.easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 1L);
        curl.easy_setopt(handle, CURLOPT_MAXREDIRS, 10L); // as Go's client
        curl.easy_setopt(handle, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    }
    if (request.method == "HEAD") curl.easy_setopt(handle, CURLOPT_NOBODY, 1L);
    if (request.stall_timeout.count() > 0) {
        curl.easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl.easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, static_cast<long>(request.stall_timeout.count()));
    }
    if (request.is_cancelled) {
        curl.easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
        curl.easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, note_progress);
        curl.easy_setopt(handle, CURLOPT_XFERINFODATA, &transfer);
    }
    if (request.body) {
        if (request.body_bytes)
            curl.easy_setopt(handle, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(*request.body_bytes));
        else
            headers.add("Transfer-Encoding: chunked");
        curl.easy_setopt(handle, CURLOPT_UPLOAD, 1L);
        curl.easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str());
        curl.easy_setopt(handle, CURLOPT_READFUNCTION, give_body);
        curl.easy_setopt(handle, CURLOPT_READDATA, &transfer);
    } else if (request.method == "POST") {
        curl.easy_setopt(handle, CURLOPT_POSTFIELDSIZE, 0L);
        curl.easy_setopt(handle, CURLOPT_POST, 1L);
    }
    curl.easy_setopt(handle, CURLOPT_HTTPHEADER, headers.items);
    const CURLcode code = curl.easy_perform(handle);
    if (!transfer.sink_status) return fail(std::move(transfer.sink_status).error());
    if (code != CURLE_OK)
        return fail(is_unreachable(curl, handle, code) ? ErrorKind::unavailable : ErrorKind::transient,
                    explain(curl, handle, code, impl_->reason.data()));
    long status = 0;
    curl.easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
    transfer.response.status = static_cast<int>(status);
    return std::move(transfer.response);
}

} // namespace dbuild
