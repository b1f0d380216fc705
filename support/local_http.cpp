// SPDX-License-Identifier: Apache-2.0
#include "support/local_http.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <algorithm>
#include <sys/un.h>

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;

namespace dbuild {
namespace {

constexpr std::size_t k_piece_bytes = 65536;

using Request = http::request<http::empty_body>;
using Parser = http::response_parser<http::buffer_body>;

Request header_of(const HttpRequest& request) {
    const auto host = request.url.find("://") + 3;
    const auto path = std::min(request.url.find('/', host), request.url.size());
    Request header(http::verb::unknown, path < request.url.size() ? request.url.substr(path) : "/", 11);
    header.method_string(request.method);
    header.set(http::field::host, request.url.substr(host, path - host));
    for (const auto& text : request.headers) {
        const auto colon = text.find(": ");
        if (colon != text.npos) header.insert(text.substr(0, colon), text.substr(colon + 2));
    }
    if (request.body)
        header.chunked(true);
    else if (request.method != "GET" && request.method != "HEAD")
        header.content_length(0);
    return header;
}

tl::unexpected<Error> broken_off(const error_code& error) {
    if (error == asio::error::interrupted) return fail(ErrorKind::interrupted, "interrupted");
    return fail(ErrorKind::transient, "the connection was broken off: " + error.message());
}

} // namespace

struct LocalHttp::Impl {
    std::filesystem::path path;
    asio::io_context context;
    asio::local::stream_protocol::socket socket{context};
    beast::flat_buffer received; // beyond what was asked for yet

    Status connect() {
        error_code error;
        received.clear();
        socket.connect(asio::local::stream_protocol::endpoint(path.string()), error);
        if (error) socket = asio::local::stream_protocol::socket(context);
        if (error == asio::error::interrupted) return fail(ErrorKind::interrupted, "interrupted");
        if (error) return fail(ErrorKind::unavailable, error.message());
        return {};
    }

    error_code write(const HttpRequest& request) {
        error_code error;
        const auto header = header_of(request);
        http::request_serializer<http::empty_body> serializer(header);
        http::write_header(socket, serializer, error);
        if (!request.body || error) return error;
        std::string piece(k_piece_bytes, '\0');
        while (!error) {
            const auto size = request.body(piece.data(), piece.size());
            if (size == 0) break;
            if (size == k_broken_body) return asio::error::operation_aborted;
            asio::write(socket, http::make_chunk(asio::buffer(piece.data(), size)), error);
        }
        if (!error) asio::write(socket, http::make_chunk_last(), error);
        return error;
    }

    Result<HttpResponse> read_body(Parser& parser, const std::function<Status(std::string_view)>& sink) {
        HttpResponse response;
        response.status = parser.get().result_int();
        const bool is_sunk = sink && response.status < 300;
        std::string piece(k_piece_bytes, '\0');
        while (!parser.is_done()) {
            parser.get().body() = {piece.data(), piece.size(), true};
            error_code error;
            http::read(socket, received, parser, error);
            if (error && error != http::error::need_buffer) return broken_off(error);
            const std::string_view bytes(piece.data(), piece.size() - parser.get().body().size);
            if (is_sunk)
                DBUILD_TRY(sink(bytes));
            else
                response.body += bytes;
        }
        return response;
    }
};

LocalHttp::LocalHttp(std::filesystem::path socket) : impl_(std::make_unique<Impl>()) {
    impl_->path = std::move(socket);
}
LocalHttp::~LocalHttp() = default;

const std::filesystem::path& LocalHttp::socket() const { return impl_->path; }

Result<HttpResponse> LocalHttp::send(const HttpRequest& request, const std::function<Status(std::string_view)>& sink) {
    if (impl_->path.native().size() >= sizeof(sockaddr_un::sun_path))
        return fail(ErrorKind::unavailable, impl_->path.string() + ": the path is too long for a socket");
    bool is_reused = impl_->socket.is_open();
    for (;;) {
        if (!is_reused) DBUILD_TRY(impl_->connect());
        const auto write_error = impl_->write(request);
        if (write_error == asio::error::operation_aborted) { // the server waits for the rest of the body in vain
            impl_->socket = asio::local::stream_protocol::socket(impl_->context);
            return fail(ErrorKind::transient, "the request's body cannot be read to its end");
        }
        // Any other failure: the server may have refused the rest: its answer says why
        Parser parser;
        parser.body_limit(boost::none);
        parser.skip(request.method == "HEAD");
        error_code error;
        http::read_header(impl_->socket, impl_->received, parser, error);
        if (error) {
            impl_->socket = asio::local::stream_protocol::socket(impl_->context);
            const bool may_repeat =
                is_reused && !request.body && error != asio::error::interrupted; // it was closed meanwhile
            is_reused = false;
            if (may_repeat) continue;
            return broken_off(write_error ? write_error : error);
        }
        auto response = impl_->read_body(parser, sink);
        if (!response || write_error || !parser.keep_alive())
            impl_->socket = asio::local::stream_protocol::socket(impl_->context);
        return response;
    }
}

} // namespace dbuild
