// SPDX-License-Identifier: Apache-2.0
// --secret: what docker buildx takes and what it refuses before a build.
#include "orchestrator/run_secrets.hpp"

#include "support/files.hpp"

#include <doctest/doctest.h>

#include <cstdlib>

using namespace dbuild;
using namespace dbuild::orchestrator;

TEST_SUITE_BEGIN("orchestrator/run_secrets");

TEST_CASE("the spellings of buildx are taken, others are wrong usage and quoted") {
    for (const auto* value : {"id=x,src=f", "id=x,source=f", "ID=x,SRC=f", "id=x,env=HOME", "id=x",
                              "type=env,id=x,src=HOME", "type=file,id=x,src=f", "\"id=x\",src=f"})
        CHECK_MESSAGE(check_secret(value), value);
    for (const auto* value : {"", "x", "foo=bar", "id=", "src=f", "id=x,type=foo", "id=x,bare", "id=x,\"y"}) {
        CAPTURE(value);
        const auto checked = check_secret(value);
        REQUIRE_FALSE(checked);
        CHECK(checked.error().kind == ErrorKind::usage);
        CHECK(checked.error().message.starts_with(std::string("--secret ") + value + ": "));
    }
}

TEST_CASE("a file has to be there and small, a variable need not be set") {
    const auto folder = TempDir::create("dbuild-test-").value();
    const auto path = (folder.path() / "f").string();
    const auto missing = find_secrets({"id=x,src=" + path});
    REQUIRE_FALSE(missing);
    CHECK(missing.error().kind == ErrorKind::not_found);
    CHECK(missing.error().message.find(path) != std::string::npos);
    REQUIRE(write_file(path, std::string(500 << 10, 's')));
    CHECK(find_secrets({"id=x,src=" + path, "id=x,env=DBUILD_TEST_UNSET"}));
    REQUIRE(write_file(path, std::string((500 << 10) + 1, 's')));
    CHECK(find_secrets({"id=x,src=" + path}).error().kind == ErrorKind::usage);
    CHECK(find_secrets({"id=DBUILD_TEST_UNSET"}).error().kind ==
          ErrorKind::not_found); // no such variable, no such file
    ::setenv("DBUILD_TEST_UNSET", "", 1);
    CHECK(find_secrets({"id=DBUILD_TEST_UNSET"}));
    ::unsetenv("DBUILD_TEST_UNSET");
}

TEST_SUITE_END();
