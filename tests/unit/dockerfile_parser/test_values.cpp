// SPDX-License-Identifier: Apache-2.0
#include "dockerfile_parser/values.hpp"

#include <doctest/doctest.h>

using namespace dbuild;
using namespace dbuild::dockerfile_parser;

TEST_SUITE("dockerfile_parser/values") {
    TEST_CASE("a port word becomes one text for each port") {
        CHECK(parse_ports("80").value() == std::vector<std::string>{"80/tcp"});
        CHECK(parse_ports("80/").value() == std::vector<std::string>{"80/tcp"});
        CHECK(parse_ports("53/UDP").value() == std::vector<std::string>{"53/udp"});
        CHECK(parse_ports("1-3/sctp").value() == std::vector<std::string>{"1/sctp", "2/sctp", "3/sctp"});
    }
    TEST_CASE("a wrong port is refused with its reason") {
        CHECK(parse_ports("80/http").error().message == "invalid proto: http");
        CHECK(parse_ports("3-1").error().message == "invalid containerPort: 3-1");
        CHECK(parse_ports("x").error().message == "invalid containerPort: x");
        CHECK(parse_ports("65536").error().message == "invalid containerPort: 65536");
        CHECK(parse_ports("/tcp").error().message == "no port specified: /tcp<empty>");
        CHECK(parse_ports("127.0.0.1:80:80").error().kind == ErrorKind::unsupported);
    }
    TEST_CASE("signals are numbers but 0, and names with or without SIG in any case") {
        for (const char* good : {"9", "64", "KILL", "SIGKILL", "sigterm", "SIGRTMIN", "RTMIN+3", "RTMAX-14"})
            CHECK_MESSAGE(check_signal(good), good);
        for (const char* bad : {"0", "", "SIG", "SIGNONE", "RTMIN+16", "RTMAX-0", "9x"}) {
            CAPTURE(std::string(bad));
            REQUIRE_FALSE(check_signal(bad));
            CHECK(check_signal(bad).error().message == std::string("invalid signal: ") + bad);
        }
    }
    TEST_CASE("ADD fetches URLs and git's short form, for any user") {
        for (const char* remote : {"https://h/a", "git://h/a", "ssh://h/a", "git@h:a.git", "bob@h:a.git"})
            CHECK_MESSAGE(is_remote_source(remote), remote);
        for (const char* local : {"a", "a@b", "a/b@c:d", "@h:a", "bob@:a", "c:d"})
            CHECK_FALSE_MESSAGE(is_remote_source(local), local);
    }
}
