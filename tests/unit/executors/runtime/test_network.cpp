// SPDX-License-Identifier: Apache-2.0
// Which resolvers a container is told of; its network itself is tests/cli/runtime_network.sh's.
#include "executors/runtime/network.hpp"

#include <doctest/doctest.h>

using dbuild::executors::runtime::resolvers_inside;

TEST_CASE("resolvers that a container reaches stay, with all else that the file says") {
    const std::string text =
        "# by dhcp\nsearch example.org\nnameserver 10.0.0.53\nnameserver fd00::53\noptions ndots:2\n";
    CHECK(resolvers_inside(text) == text);
}

TEST_CASE("resolvers on the loop-back interface of this machine are left out where there are others") {
    CHECK(resolvers_inside("nameserver 127.0.0.53\nnameserver 10.0.0.53\nnameserver ::1\n") ==
          "nameserver 10.0.0.53\n");
}

TEST_CASE("where there is no other, the container gets an address that pasta passes on") {
    CHECK(resolvers_inside("search example.org\nnameserver 127.0.0.53\noptions edns0") ==
          "search example.org\noptions edns0\nnameserver 169.254.1.1\n");
    CHECK(resolvers_inside("nameserver ::1\n") == "nameserver 169.254.1.1\n");
    CHECK(resolvers_inside("") == "nameserver 169.254.1.1\n");
}
