// SPDX-License-Identifier: Apache-2.0
// The HTTP client against a server of canned answers, on a unix socket and on TCP: bodies, uploads, statuses, and
// broken connections.
#include "support/http.hpp"

#include "support/files.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace dbuild;

namespace {

enum class Transport { unix_socket, tcp };

/// Takes one connection, answers each request on it with the next text, and closes it. An empty answer closes it too,
/// and the next one goes to a new connection.
class Server {
public:
    explicit Server(std::vector<std::string> answers, Transport transport = Transport::unix_socket)
        : folder_(TempDir::create("dbuild-http").value()) {
        if (transport == Transport::tcp)
            listen_on_tcp();
        else
            listen_on_unix_socket();
        REQUIRE(::listen(listener_.get(), 4) == 0);
        thread_ = std::jthread([this, answers = std::move(answers)] { serve(answers); });
    }
    int port = 0; // of TCP

private:
    void listen_on_tcp() {
        listener_ = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
        socklen_t size = sizeof address;
        REQUIRE(::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
        port = ntohs(address.sin_port);
    }
    void listen_on_unix_socket() {
        listener_ = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, path().c_str(), sizeof address.sun_path - 1);
        REQUIRE(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    }

public:
    std::filesystem::path path() const { return folder_.path() / "socket"; }
    /// Once the client has been answered.
    const std::vector<std::string>& requests() {
        thread_.join();
        return requests_;
    }

private:
    void serve(const std::vector<std::string>& answers) {
        Fd peer(::accept(listener_.get(), nullptr, nullptr));
        for (const auto& answer : answers) {
            if (answer.empty()) {
                peer = Fd();
                peer = Fd(::accept(listener_.get(), nullptr, nullptr));
                continue;
            }
            std::string request;
            char buffer[4096];
            while (!is_whole(request)) {
                const auto count = ::read(peer.get(), buffer, sizeof buffer);
                if (count <= 0) break;
                request.append(buffer, static_cast<std::size_t>(count));
            }
            requests_.push_back(request);
            if (::send(peer.get(), answer.data(), answer.size(), MSG_NOSIGNAL) < 0) return;
        }
    }
    static bool is_whole(const std::string& request) {
        if (request.find("chunked") != std::string::npos) return request.ends_with("0\r\n\r\n");
        return request.find("\r\n\r\n") != std::string::npos;
    }
    TempDir folder_;
    Fd listener_;
    std::vector<std::string> requests_;
    std::jthread thread_;
};

HttpRequest request_to(const Server& server, std::string path) {
    HttpRequest request;
    request.url = (server.port ? "http://127.0.0.1:" + std::to_string(server.port) : "http://engine") + std::move(path);
    if (!server.port) request.route.unix_socket = server.path();
    request.route.bypasses_proxy = true;
    return request;
}

constexpr auto k_hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

} // namespace

TEST_SUITE_BEGIN("support/http");

TEST_CASE("a body comes back with its status, and headers are sent") {
    for (const auto transport : {Transport::unix_socket, Transport::tcp}) {
        CAPTURE(static_cast<int>(transport));

        Server server({k_hello}, transport);
        HttpClient client;
        auto request = request_to(server, "/a?b=c");
        request.headers = {"X-Test: yes"};
        const auto response = client.send(request);
        REQUIRE(response);
        CHECK(response->status == 200);
        CHECK(response->body == "hello");
        const auto& seen = server.requests().at(0);
        CHECK(seen.starts_with("GET /a?b=c HTTP/1.1\r\n"));
        CHECK(seen.find("X-Test: yes\r\n") != std::string::npos);
    }
}

TEST_CASE("one connection serves several requests, and options of one do not leak into the next") {
    for (const auto transport : {Transport::unix_socket, Transport::tcp}) {
        CAPTURE(static_cast<int>(transport));

        Server server({k_hello, k_hello}, transport);
        HttpClient client;
        auto first = request_to(server, "/first");
        first.method = "DELETE";
        first.headers = {"X-First: yes"};
        REQUIRE(client.send(first));
        REQUIRE(client.send(request_to(server, "/second")));
        const auto& seen = server.requests();
        REQUIRE(seen.size() == 2);
        CHECK(seen[0].starts_with("DELETE /first "));
        CHECK(seen[1].starts_with("GET /second "));
        CHECK(seen[1].find("X-First") == std::string::npos);
    }
}

TEST_CASE("a bad status is an answer, and its body does not go to the sink") {
    for (const auto transport : {Transport::unix_socket, Transport::tcp}) {
        CAPTURE(static_cast<int>(transport));

        Server server({"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone"}, transport);
        HttpClient client;
        std::string sunk;
        const auto response = client.send(request_to(server, "/"), [&](std::string_view bytes) -> Status {
            sunk += bytes;
            return {};
        });
        REQUIRE(response);
        CHECK(response->status == 404);
        CHECK(response->body == "none");
        CHECK(sunk.empty());
    }
}

TEST_CASE("a sink takes the body, and what it fails with comes out") {
    SUBCASE("taken") {
        Server server({k_hello});
        HttpClient client;
        std::string sunk;
        const auto response = client.send(request_to(server, "/"), [&](std::string_view bytes) -> Status {
            sunk += bytes;
            return {};
        });
        REQUIRE(response);
        CHECK(sunk == "hello");
        CHECK(response->body.empty());
    }
    SUBCASE("failing") {
        Server server({k_hello});
        HttpClient client;
        const auto response = client.send(
            request_to(server, "/"), [](std::string_view) -> Status { return fail(ErrorKind::corrupt, "not wanted"); });
        REQUIRE_FALSE(response);
        CHECK(response.error().kind == ErrorKind::corrupt);
    }
}

TEST_CASE("an upload is chunked, whole, and does not wait for permission") {
    for (const auto transport : {Transport::unix_socket, Transport::tcp}) {
        CAPTURE(static_cast<int>(transport));

        Server server({k_hello}, transport);
        HttpClient client;
        auto request = request_to(server, "/load");
        request.method = "POST";
        std::string_view left = "payload";
        request.body = [&](char* buffer, std::size_t capacity) {
            const auto count = left.copy(buffer, capacity);
            left.remove_prefix(count);
            return count;
        };
        REQUIRE(client.send(request));
        const auto& seen = server.requests().at(0);
        CHECK(seen.starts_with("POST /load "));
        CHECK(seen.find("\r\n7\r\npayload\r\n0\r\n\r\n") != std::string::npos);
        CHECK(seen.find("Expect:") == std::string::npos);
    }
}

TEST_CASE("nobody listening is unavailable") {
    const auto folder = TempDir::create("dbuild-http");
    REQUIRE(folder);
    HttpClient client;
    HttpRequest request;
    request.url = "http://engine/";
    request.route.unix_socket = folder->path() / "nobody";
    const auto response = client.send(request);
    REQUIRE_FALSE(response);
    CHECK(response.error().kind == ErrorKind::unavailable);
}

TEST_CASE("an answer that is broken off is transient") {
    for (const auto transport : {Transport::unix_socket, Transport::tcp}) {
        CAPTURE(static_cast<int>(transport));

        Server server({"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nonly this"}, transport);
        HttpClient client;
        const auto response = client.send(request_to(server, "/"));
        REQUIRE_FALSE(response);
        CHECK(response.error().kind == ErrorKind::transient);
    }
}

TEST_CASE("a connection that the server closed meanwhile is made anew") {
    Server server({k_hello, "", k_hello});
    HttpClient client;
    REQUIRE(client.send(request_to(server, "/first")));
    const auto second = client.send(request_to(server, "/second"));
    REQUIRE(second);
    CHECK(second->body == "hello");
    CHECK(server.requests().size() == 2);
}

TEST_CASE("an answer may be chunked, and its end may be the connection's") {
    Server server({"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
                   "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end"});
    HttpClient client;
    CHECK(client.send(request_to(server, "/"))->body == "hello");
    CHECK(client.send(request_to(server, "/"))->body == "to the end");
}

TEST_CASE("a body longer than a piece arrives whole, in a string and in a sink") {
    const std::string body(300'000, 'x');
    const auto answer = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    Server server({answer, answer});
    HttpClient client;
    CHECK(client.send(request_to(server, "/"))->body == body);
    std::string sunk;
    REQUIRE(client.send(request_to(server, "/"), [&](std::string_view bytes) -> Status {
        sunk += bytes;
        return {};
    }));
    CHECK(sunk == body);
}

TEST_CASE("the path of a socket may be too long") {
    HttpClient client;
    HttpRequest request;
    request.url = "http://engine/";
    request.route.unix_socket = "/" + std::string(200, 'x');
    CHECK(client.send(request).error().kind == ErrorKind::unavailable);
}

TEST_CASE("everything but unreserved characters is percent-encoded, bytewise") {
    CHECK(url_encode("aZ09-._~") == "aZ09-._~");
    CHECK(url_encode("a b/c:d+\xC3\xA9") == "a%20b%2Fc%3Ad%2B%C3%A9");
}

TEST_SUITE_END();
