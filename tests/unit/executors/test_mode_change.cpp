// SPDX-License-Identifier: Apache-2.0
#include "executors/in_process/mode_change.hpp"

#include <doctest/doctest.h>

using namespace dbuild;
using dbuild::executors::in_process::ModeChange;

namespace {

std::uint32_t file(std::string_view text, std::uint32_t mode) {
    return ModeChange::parse(text).value().apply(mode, false);
}
std::uint32_t folder(std::string_view text, std::uint32_t mode) {
    return ModeChange::parse(text).value().apply(mode, true);
}

} // namespace

TEST_SUITE_BEGIN("executors/in_process");

TEST_CASE("an octal mode replaces the mode of files and folders") {
    CHECK(file("755", 0600) == 0755);
    CHECK(folder("01777", 0755) == 01777);
    CHECK(file("0", 0777) == 0);
    CHECK(!ModeChange::parse("755").value().is_symbolic());
}

TEST_CASE("symbols change what they name, clause after clause") {
    CHECK(file("u+x", 0644) == 0744);
    CHECK(file("go-w", 0777) == 0755);
    CHECK(file("u=rwx,go=rx", 0) == 0755);
    CHECK(file("a=r,ug=rw,u+x", 0777) == 0764);
    CHECK(file("go=", 0777) == 0700);
    CHECK(file("u=rw+x-w", 0) == 0500);
    CHECK(ModeChange::parse("u+x").value().is_symbolic());
}

TEST_CASE("X is search for folders and for files that somebody may execute") {
    CHECK(file("u=rwX,go=rX", 0600) == 0644);
    CHECK(file("u=rwX,go=rX", 0100) == 0755);
    CHECK(folder("u=rwX,go=rX", 0) == 0755);
    CHECK(file("+X", 0010) == 0111);
}

TEST_CASE("a class can be copied to another") {
    CHECK(file("u=g", 0742) == 0442);
    CHECK(file("go=u-w", 0770) == 0755);
    CHECK(file("u+o", 0021) == 0121);
}

TEST_CASE("set-id and sticky bits belong to their classes") {
    CHECK(file("u+s", 0755) == 04755);
    CHECK(file("g+s", 0755) == 02755);
    CHECK(file("o+s", 0755) == 0755);
    CHECK(folder("a+t", 0777) == 01777);
    CHECK(folder("-t", 01777) == 0777);
    CHECK(file("u=rwx", 04755) == 0755);
}

TEST_CASE("without a class all are meant, whatever the umask") {
    CHECK(file("+w", 0444) == 0666);
    CHECK(file("-w", 0777) == 0555);
    CHECK(file("=rw", 0755) == 0666);
    CHECK(file("=", 06777) == 0);
}

TEST_CASE("a copied class keeps the set-id bit that is there") {
    CHECK(file("u=g", 04755) == 04555);
    CHECK(file("a=u", 06744) == 06777);
    CHECK(folder("g=o", 03777) == 03777);
    CHECK(file("g=", 02755) == 0705);
}

TEST_CASE("the sticky bit alone is set for nobody in particular") {
    CHECK(folder("=t", 0755) == 01755);
    CHECK(folder("=rt", 0755) == 01755);
    CHECK(folder("u=t", 0755) == 01055);
}

TEST_CASE("what is no mode is an error") {
    for (const auto* text : {"", ",", "q+r", "u", "go", "u+x,", "99999", "10000", "0o755", "-1", "u+x g+w"}) {
        CAPTURE(text);
        const auto mode = ModeChange::parse(text);
        REQUIRE(!mode);
        CHECK(mode.error().kind == ErrorKind::invalid_dockerfile);
    }
}

TEST_SUITE_END();
