// SPDX-License-Identifier: Apache-2.0
// The HTTP client against a server of canned answers on a unix socket: bodies, uploads, statuses, and broken connections.
#include "support/http.hpp"

#include "support/files.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace dbuild;

namespace {

/// Takes one connection, answers each request on it with the next text, and closes it.
class Server {
public:
    explicit Server(std::vector<std::string> answers) : folder_(TempDir::create("dbuild-http").value()) {
        listener_ = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, path().c_str(), sizeof address.sun_path - 1);
        REQUIRE(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
        REQUIRE(::listen(listener_.get(), 4) == 0);
        thread_ = std::jthread([this, answers = std::move(answers)] { serve(answers); });
    }
    std::filesystem::path path() const { return folder_.path() / "socket"; }
    /// Once the client has been answered.
    const std::vector<std::string>& requests() {
        thread_.join();
        return requests_;
    }

private:
    void serve(const std::vector<std::string>& answers) {
        const Fd peer(::accept(listener_.get(), nullptr, nullptr));
        for (const auto& answer : answers) {
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
    request.url = "http://engine" + std::move(path);
    request.route.unix_socket = server.path();
    return request;
}

constexpr auto k_hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

} // namespace

TEST_SUITE_BEGIN("support/http");

TEST_CASE("a body comes back with its status, and headers are sent") {
    Server server({k_hello});
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

TEST_CASE("one connection serves several requests, and options of one do not leak into the next") {
    Server server({k_hello, k_hello});
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

TEST_CASE("a bad status is an answer, and its body does not go to the sink") {
    Server server({"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone"});
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
        const auto response = client.send(request_to(server, "/"),
                                          [](std::string_view) -> Status { return fail(ErrorKind::corrupt, "not wanted"); });
        REQUIRE_FALSE(response);
        CHECK(response.error().kind == ErrorKind::corrupt);
    }
}

TEST_CASE("an upload is chunked, whole, and does not wait for permission") {
    Server server({k_hello});
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
    Server server({"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nonly this"});
    HttpClient client;
    const auto response = client.send(request_to(server, "/"));
    REQUIRE_FALSE(response);
    CHECK(response.error().kind == ErrorKind::transient);
}

TEST_CASE("everything but unreserved characters is percent-encoded, bytewise") {
    CHECK(url_encode("aZ09-._~") == "aZ09-._~");
    CHECK(url_encode("a b/c:d+\xC3\xA9") == "a%20b%2Fc%3Ad%2B%C3%A9");
}

TEST_SUITE_END();
