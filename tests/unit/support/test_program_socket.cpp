// SPDX-License-Identifier: Apache-2.0
// A program behind a socket, as the HTTP client sees it.
#include "support/program_socket.hpp"

#include "support/http.hpp"

#include <doctest/doctest.h>

#include <sys/stat.h>

using namespace dbuild;

namespace {

HttpRequest request_to(const ProgramSocket& socket) {
    HttpRequest request;
    request.url = "http://engine/";
    request.route.unix_socket = socket.path();
    return request;
}

} // namespace

TEST_SUITE("support/program_socket") {
    TEST_CASE("a program's streams are a connection, which several requests share, and it ends with the socket") {
        const auto folder = TempDir::create("dbuild-socket");
        REQUIRE(folder);
        const auto script = folder->path() / "server.sh", log = folder->path() / "log";
        REQUIRE(write_file(script, R"sh(trap 'echo end >>"$1"; exit' TERM
echo start >>"$1"
while IFS= read -r line; do
    if [ "$line" = "$(printf '\r')" ]; then printf 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello'; fi
done
echo end >>"$1")sh"));
        {
            const auto socket = ProgramSocket::create({"sh", script.string(), log.string()});
            REQUIRE(socket);
            HttpClient client;
            for (int i = 0; i < 2; ++i) {
                const auto response = client.send(request_to(*socket));
                REQUIRE_MESSAGE(response, (response ? "" : response.error().message));
                CHECK(response->body == "hello");
            }
            CHECK(read_file(log).value() == "start\n");
        }
        CHECK(read_file(log).value() == "start\nend\n");
    }
    TEST_CASE("a program that ends without an answer, or cannot be started, breaks the connection") {
        for (const char* program : {"false", "/no/such/program"}) {
            const auto socket = ProgramSocket::create({program});
            REQUIRE(socket);
            const auto response = HttpClient().send(request_to(*socket));
            REQUIRE_FALSE(response);
            CHECK(response.error().kind == ErrorKind::transient);
        }
    }
    TEST_CASE("nobody else can reach the socket, and nothing is left of it") {
        std::filesystem::path path;
        {
            const auto socket = ProgramSocket::create({"true"});
            REQUIRE(socket);
            path = socket->path();
            struct stat status {};
            REQUIRE(::stat(path.parent_path().c_str(), &status) == 0);
            CHECK((status.st_mode & 077) == 0);
        }
        CHECK_FALSE(std::filesystem::exists(path.parent_path()));
    }
}
