// SPDX-License-Identifier: Apache-2.0
// As whom a RUN is started, by what USER says and the accounts of the image.
#include "executors/runtime/process_user.hpp"

#include <doctest/doctest.h>

using namespace dbuild;
using namespace dbuild::executors::runtime;

namespace {

constexpr std::string_view k_passwd = "root:x:0:0:root:/root:/bin/sh\n"
                                      "bob:x:1000:100:Bob:/home/bob:/bin/sh\n"
                                      "1000:x:7:8::/seven:\n"
                                      "toor:x:0:9:other root:/toor:/bin/sh\n"
                                      "homeless:x:1001:1001:::\n";
constexpr std::string_view k_group = "root:x:0:\n"
                                     "users:x:100:\n"
                                     "wheel:x:10:alice,bob\n"
                                     "more:x:2000:bob,root\n"
                                     "again:x:10:bob\n"
                                     "bobby:x:11:bobby,bo\n"
                                     "100:x:12:\n";

ProcessUser user_of(std::string_view text, std::string_view passwd = k_passwd, std::string_view group = k_group) {
    const auto user = find_process_user(text, passwd, group);
    REQUIRE_MESSAGE(user, text << ": " << (user ? "" : user.error().message));
    return *user;
}

void check_refused(std::string_view text, std::string_view why) {
    const auto user = find_process_user(text, k_passwd, k_group);
    REQUIRE_MESSAGE(!user, text);
    CHECK(user.error().kind == ErrorKind::step_failed);
    CHECK(user.error().message == why);
}

} // namespace

TEST_SUITE_BEGIN("executors/runtime/process_user");

TEST_CASE("nobody is named: root with the groups of root") {
    const ProcessUser root{0, 0, {0, 2000}, "/root"};
    CHECK(user_of("") == root);
    CHECK(user_of("0") == root);
    CHECK(user_of("root") == root);
    CHECK(user_of(":wheel") == ProcessUser{0, 10, {10}, "/root"});
}

TEST_CASE("an account by name and by number, with each group that lists it once") {
    const ProcessUser bob{1000, 100, {100, 10, 2000}, "/home/bob"};
    CHECK(user_of("bob") == bob);
    CHECK(user_of("1000") == bob);
    CHECK(user_of("01000") == bob);
    CHECK(user_of("bob:") == bob);
}

TEST_CASE("what can be read as a number is never a name") {
    CHECK(user_of("1000").uid == 1000); // not the account of that name
    CHECK(user_of("bob:100").gid == 100);
}

TEST_CASE("a number without an account has the group 0 and no home") {
    CHECK(user_of("4711") == ProcessUser{4711, 0, {0}, "/"});
    CHECK(user_of("2147483647").uid == 2147483647);
}

TEST_CASE("a group that is named is the only one") {
    CHECK(user_of("bob:wheel") == ProcessUser{1000, 10, {10}, "/home/bob"});
    CHECK(user_of("bob:4711") == ProcessUser{1000, 4711, {4711}, "/home/bob"});
    CHECK(user_of("1000:2000") == ProcessUser{1000, 2000, {2000}, "/home/bob"});
    CHECK(user_of("4711:wheel") == ProcessUser{4711, 10, {10}, "/"});
    CHECK(user_of("4711:4712") == ProcessUser{4711, 4712, {4712}, "/"});
    CHECK(user_of("4294967295:4294967295").uid == 4294967295); // nobody looks up a pair of numbers
}

TEST_CASE("the home is that of the first account with the number") {
    CHECK(user_of("toor") == ProcessUser{0, 9, {9}, "/root"});
    CHECK(user_of("homeless").home == "/");
}

TEST_CASE("names that nobody has and numbers that Linux lacks are refused in BuildKit's words") {
    check_refused("alice", "unable to find user alice: no matching entries in passwd file");
    check_refused("alice:wheel", "unable to find user alice: no matching entries in passwd file");
    check_refused("wheel:bob", "unable to find user wheel: no matching entries in passwd file");
    check_refused("bob:alice", "unable to find group alice: no matching entries in group file");
    check_refused("4711:alice", "unable to find group alice: no matching entries in group file");
    for (const auto* text : {"2147483648", "-1", "bob:-1", "bob:2147483648", "1000:4294967296", "99999999999"})
        check_refused(text, "uids and gids must be in range 0-2147483647");
}

TEST_CASE("without account files there are numbers only") {
    CHECK(user_of("", "", "") == ProcessUser{0, 0, {0}, "/"});
    CHECK(user_of("5", "", "") == ProcessUser{5, 0, {0}, "/"});
    CHECK(user_of("5:6", "", "") == ProcessUser{5, 6, {6}, "/"});
    CHECK_FALSE(find_process_user("root", "", k_group));
    CHECK_FALSE(find_process_user("root:wheel", k_passwd, ""));
}

TEST_CASE("lines that lack fields or hold no numbers count as far as they go") {
    constexpr std::string_view passwd = "\n:::\nshort\njunk:x:one:two:::\nlast:x:5:6:L:/last";
    CHECK(user_of("short", passwd, "") == ProcessUser{0, 0, {0}, "/"});
    CHECK(user_of("junk", passwd, "") == ProcessUser{0, 0, {0}, "/"});
    CHECK(user_of("last", passwd, "") == ProcessUser{5, 6, {6}, "/last"});
    CHECK(user_of("last", passwd, "\n:\nfew:x\nlist:x:7:,last,\n").groups == std::vector<std::uint32_t>{6, 7});
}

TEST_SUITE_END();
